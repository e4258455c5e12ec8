-- What the Enterprise Single Sign-On database of a BizTalk group carries: its installer sets it up by itself, and its backup
-- procedures know no @bCompression. Run once inside SSODB, in place of backup-setup.sql.
--
-- In our own words, as backup-setup.sql. For test groups; a real group has its own. Plain T-SQL, for SQL Server 2012 and
-- later.
CREATE ROLE BTS_BACKUP_USERS
GO

-- No key and no date, as BizTalk has it.
CREATE TABLE dbo.MarkLog (
    MarkName nvarchar(128) NULL
)
GO

CREATE PROCEDURE dbo.sp_GetServerName
    @name sysname OUTPUT
AS
BEGIN
    SET NOCOUNT ON
    SET @name = CAST(SERVERPROPERTY('servername') AS sysname)
    RETURN 0
END
GO

CREATE PROCEDURE dbo.sp_GetServerVersion
    @version int OUTPUT
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @text nvarchar(128)
    SET @text = CAST(SERVERPROPERTY('productversion') AS nvarchar(128))
    SET @version = CAST(LEFT(@text, CHARINDEX('.', @text) - 1) AS int)
    RETURN 0
END
GO

-- Inside a marked transaction of the caller: the inner BEGIN TRANSACTION only counts, and the update makes the mark
-- go into this database's log. On an error the rollback by that name takes the caller's whole transaction back.
CREATE PROCEDURE dbo.sp_SetMark
    @name nvarchar(128)
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @error int
    BEGIN TRANSACTION @name
    INSERT INTO dbo.MarkLog (MarkName) VALUES (@name)
    SET @error = @@ERROR
    IF @error <> 0
    BEGIN
        ROLLBACK TRANSACTION @name
        RETURN -1
    END
    COMMIT TRANSACTION
    RETURN 0
END
GO

-- The same for the first database of another instance: the mark begins there.
CREATE PROCEDURE dbo.sp_SetMarkRemote
    @name nvarchar(128)
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @error int
    BEGIN TRANSACTION @name WITH MARK @name
    INSERT INTO dbo.MarkLog (MarkName) VALUES (@name)
    SET @error = @@ERROR
    IF @error <> 0
    BEGIN
        ROLLBACK TRANSACTION @name
        RETURN -1
    END
    COMMIT TRANSACTION
    RETURN 0
END
GO

-- BACKUP to one file, appended if it exists. Not compressed means said so, whatever the server's default is; compressed is
-- tried, and if that backup ended abnormally (3013) it is taken again without. Any other error of the first try is
-- swallowed: 0 proves nothing.
CREATE PROCEDURE dbo.sp_BackupBizTalk
    @DBName sysname,
    @BackupLocation nvarchar(4000),
    @bCompression bit,
    @BackupType nvarchar(20)
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @again bit
    SET @again = 0
    IF @bCompression = 1
    BEGIN
        BEGIN TRY
            IF @BackupType = N'DATABASE'
                BACKUP DATABASE @DBName TO DISK = @BackupLocation WITH COMPRESSION
            ELSE
                BACKUP LOG @DBName TO DISK = @BackupLocation WITH COMPRESSION
        END TRY
        BEGIN CATCH
            IF ERROR_NUMBER() = 3013
                SET @again = 1
        END CATCH
    END
    ELSE
        SET @again = 1

    IF @again = 1
    BEGIN
        IF @BackupType = N'DATABASE'
            BACKUP DATABASE @DBName TO DISK = @BackupLocation WITH NO_COMPRESSION
        ELSE
            BACKUP LOG @DBName TO DISK = @BackupLocation WITH NO_COMPRESSION
        IF @@ERROR <> 0
            RETURN -1
    END
    RETURN 0
END
GO

-- <server>_<database>_Full_<mark>.bak in the folder. The server's name is cut at 30 characters, as BizTalk's procedure does.
-- (BizTalk joins with a backslash only; a folder of a Linux host is joined with its own separator.)
CREATE PROCEDURE dbo.sp_BackupBizTalkFull
    @seq nvarchar(128),
    @path nvarchar(3000),
    @BackupLocation nvarchar(4000) OUTPUT
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @server nvarchar(30), @database sysname, @separator nvarchar(1), @return int
    SET @server = CAST(REPLACE(CAST(SERVERPROPERTY('servername') AS nvarchar(128)), N'\', N'_') AS nvarchar(30))
    SET @database = DB_NAME()
    SET @separator = N'\'
    IF CHARINDEX(N'/', @path) > 0 AND CHARINDEX(N'\', @path) = 0
        SET @separator = N'/'
    IF RIGHT(@path, 1) = @separator
        SET @separator = N''
    SET @BackupLocation = @path + @separator + @server + N'_' + @database + N'_Full_' + @seq + N'.bak'
    EXEC @return = dbo.sp_BackupBizTalk @database, @BackupLocation, 0, N'DATABASE'
    IF @return <> 0
        RETURN -1
    RETURN 0
END
GO

CREATE PROCEDURE dbo.sp_BackupBizTalkLog
    @seq nvarchar(128),
    @path nvarchar(3000),
    @BackupLocation nvarchar(4000) OUTPUT
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @server nvarchar(30), @database sysname, @separator nvarchar(1), @return int
    SET @server = CAST(REPLACE(CAST(SERVERPROPERTY('servername') AS nvarchar(128)), N'\', N'_') AS nvarchar(30))
    SET @database = DB_NAME()
    SET @separator = N'\'
    IF CHARINDEX(N'/', @path) > 0 AND CHARINDEX(N'\', @path) = 0
        SET @separator = N'/'
    IF RIGHT(@path, 1) = @separator
        SET @separator = N''
    SET @BackupLocation = @path + @separator + @server + N'_' + @database + N'_Log_' + @seq + N'.bak'
    EXEC @return = dbo.sp_BackupBizTalk @database, @BackupLocation, 0, N'LOG'
    IF @return <> 0
        RETURN -1
    RETURN 0
END
GO

GRANT EXECUTE ON dbo.sp_GetServerName TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_GetServerVersion TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_SetMark TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_SetMarkRemote TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_BackupBizTalk TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_BackupBizTalkFull TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_BackupBizTalkLog TO BTS_BACKUP_USERS
GO
