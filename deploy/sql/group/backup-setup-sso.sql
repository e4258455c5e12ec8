-- The Enterprise Single Sign-On database is set up by its own installer, whose backup procedures know no @bCompression.
-- Run inside SSODB after backup-setup.sql. In our own words, as that script.
DROP PROCEDURE dbo.sp_BackupBizTalkFull
GO
DROP PROCEDURE dbo.sp_BackupBizTalkLog
GO

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

GRANT EXECUTE ON dbo.sp_BackupBizTalkFull TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_BackupBizTalkLog TO BTS_BACKUP_USERS
GO
