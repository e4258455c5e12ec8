-- The Enterprise Single Sign-On database of a BizTalk group: its installer sets it up by itself, and its backup procedures know
-- no @bCompression. Run once inside SSODB, after backup-setup.sql.
--
-- In our own words, as backup-setup.sql. For test groups; a real group has its own. Plain T-SQL, for SQL Server 2012 and
-- later.
ALTER PROCEDURE dbo.sp_BackupBizTalkFull
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

ALTER PROCEDURE dbo.sp_BackupBizTalkLog
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
