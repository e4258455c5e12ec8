-- BizTalkMgmtDb as far as backups go: the group's tables, the backup history, and the procedures of the Backup BizTalk
-- Server job. Run inside it after backup-setup.sql.
--
-- In our own words, after the tables, view and behaviour that public scripts of BizTalk Server show (same names,
-- parameters, columns, return codes, messages). For test groups; a real group has BizTalk's own. Plain T-SQL, for SQL
-- Server 2012 and later.

-- ---- tables ----

CREATE TABLE dbo.adm_Group (
    Id int IDENTITY(1,1) NOT NULL PRIMARY KEY,
    Name nvarchar(256) NOT NULL UNIQUE,
    DateModified datetime NOT NULL DEFAULT GETUTCDATE(),
    BizTalkAdminGroup nvarchar(128) NOT NULL DEFAULT N'',
    TrackingDBServerName nvarchar(80) NULL,
    TrackingDBName nvarchar(128) NULL,
    SubscriptionDBServerName nvarchar(80) NULL,
    SubscriptionDBName nvarchar(128) NULL,
    TrackAnalysisServerName nvarchar(80) NULL,
    TrackAnalysisDBName nvarchar(128) NULL,
    BamDBServerName nvarchar(80) NULL,
    BamDBName nvarchar(128) NULL,
    RuleEngineDBServerName nvarchar(80) NULL,
    RuleEngineDBName nvarchar(128) NULL,
    SSOServerName nvarchar(80) NULL,
    GlobalTrackingOption int NOT NULL DEFAULT 1,
    BizTalkOperatorGroup nvarchar(128) NOT NULL DEFAULT N'',
    UUID uniqueidentifier NOT NULL DEFAULT NEWID()
)
GO

CREATE TABLE dbo.adm_MessageBox (
    Id int IDENTITY(1,1) NOT NULL PRIMARY KEY,
    GroupId int NOT NULL,
    DateModified datetime NOT NULL DEFAULT GETUTCDATE(),
    DBServerName nvarchar(80) NOT NULL,
    DBName nvarchar(128) NOT NULL,
    DisableNewMsgPublication int NOT NULL DEFAULT 0,
    ConfigurationState int NOT NULL DEFAULT 0,
    UniqueId uniqueidentifier NOT NULL DEFAULT NEWID(),
    IsMasterMsgBox int NOT NULL DEFAULT 0,
    nvcDescription nvarchar(256) NULL
)
GO
CREATE UNIQUE INDEX IX_adm_MessageBox ON dbo.adm_MessageBox (DBServerName, DBName)
GO

CREATE TABLE dbo.adm_OtherBackupDatabases (
    DefaultDatabaseName nvarchar(128) NOT NULL,
    DatabaseName nvarchar(128) NOT NULL,
    ServerName nvarchar(80) NOT NULL,
    BTSServerName nvarchar(80) NOT NULL,
    CONSTRAINT PK_adm_OtherBackupDatabases PRIMARY KEY (DefaultDatabaseName, BTSServerName)
)
GO

CREATE TABLE dbo.adm_OtherDatabases (
    DefaultDatabaseName nvarchar(128) NOT NULL,
    DatabaseName nvarchar(128) NOT NULL,
    ServerName nvarchar(80) NOT NULL,
    BTSServerName nvarchar(80) NOT NULL,
    CONSTRAINT PK_adm_OtherDatabases PRIMARY KEY (DefaultDatabaseName, BTSServerName)
)
GO

CREATE TABLE dbo.adm_BackupHistory (
    BackupId bigint IDENTITY(1,1) NOT NULL,
    BackupSetId bigint NOT NULL,
    MarkName nvarchar(32) NULL,
    DatabaseName nvarchar(128) NOT NULL,
    BackupFileName nvarchar(500) NOT NULL,
    BackupFileLocation nvarchar(3000) NOT NULL,
    BackupType char(2) NOT NULL,
    BackupDateTime datetime NOT NULL DEFAULT GETDATE(),
    SetComplete bit NOT NULL DEFAULT 0,
    ServerName nvarchar(128) NULL,
    CONSTRAINT pk_adm_BackupHistory_BackupId PRIMARY KEY (BackupId)
)
GO
CREATE UNIQUE INDEX IX_BackupHistory ON dbo.adm_BackupHistory (BackupSetId, DatabaseName, ServerName)
GO

CREATE TABLE dbo.adm_BackupSetId (
    NextBackupSetId bigint NULL
)
GO

CREATE TRIGGER dbo.adm_BackupSetId_InsertTrigger ON dbo.adm_BackupSetId AFTER INSERT, UPDATE
AS
BEGIN
    SET NOCOUNT ON
    IF (SELECT COUNT(*) FROM dbo.adm_BackupSetId) > 1
    BEGIN
        ROLLBACK TRANSACTION
        RAISERROR (N'Rowcount in adm_BackupSetId cannot exceed 1', 16, 1)
        RETURN
    END
    IF EXISTS (SELECT 1 FROM inserted AS i JOIN dbo.adm_BackupHistory AS h ON h.BackupSetId = i.NextBackupSetId)
    BEGIN
        ROLLBACK TRANSACTION
        RAISERROR (N'Value cannot exist in adm_BackupHistory.BackupSetId', 16, 1)
        RETURN
    END
END
GO

INSERT INTO dbo.adm_BackupSetId (NextBackupSetId) VALUES (1)
GO

CREATE TABLE dbo.adm_BackupSettings (
    UseCompression bit NOT NULL,
    ForceFull bit NOT NULL
)
GO
INSERT INTO dbo.adm_BackupSettings (UseCompression, ForceFull) VALUES (0, 0)
GO

-- ---- which databases ----

CREATE VIEW dbo.admv_BackupDatabases (ServerName, DatabaseName)
AS
SELECT CAST(SERVERPROPERTY('servername') AS nvarchar(128)), CAST(DB_NAME() AS nvarchar(128))
UNION
SELECT TrackingDBServerName, TrackingDBName FROM dbo.adm_Group
WHERE TrackingDBServerName IS NOT NULL AND TrackingDBServerName <> N''
UNION
SELECT BamDBServerName, BamDBName FROM dbo.adm_Group
WHERE BamDBServerName IS NOT NULL AND BamDBServerName <> N''
UNION
SELECT RuleEngineDBServerName, RuleEngineDBName FROM dbo.adm_Group
WHERE RuleEngineDBServerName IS NOT NULL AND RuleEngineDBServerName <> N''
UNION
SELECT DBServerName, DBName FROM dbo.adm_MessageBox
WHERE DBServerName IS NOT NULL AND DBServerName <> N''
UNION
SELECT ServerName, DatabaseName FROM dbo.adm_OtherBackupDatabases
WHERE ServerName IS NOT NULL AND ServerName <> N''
GROUP BY ServerName, DatabaseName
GO

CREATE PROCEDURE dbo.sp_GetBackupDatabasesForServer
    @ServerName sysname = NULL
AS
BEGIN
    SET NOCOUNT ON
    SET TRANSACTION ISOLATION LEVEL READ COMMITTED
    SET DEADLOCK_PRIORITY LOW
    SELECT ServerName, DatabaseName
    FROM dbo.admv_BackupDatabases
    WHERE @ServerName IS NULL OR ServerName = @ServerName
END
GO

CREATE PROCEDURE dbo.sp_GetBackupDatabaseLocation
    @DefaultDatabaseName nvarchar(128)
AS
BEGIN
    SET NOCOUNT ON
    SELECT ServerName, DatabaseName
    FROM dbo.adm_OtherBackupDatabases
    WHERE DefaultDatabaseName = @DefaultDatabaseName
END
GO

CREATE PROCEDURE dbo.trk_UpdateOtherBackupDatabases
    @DatabaseName nvarchar(128),
    @ServerName nvarchar(80),
    @DefaultDatabaseName nvarchar(128)
AS
BEGIN
    SET NOCOUNT ON
    UPDATE dbo.adm_OtherBackupDatabases
    SET DatabaseName = @DatabaseName, ServerName = @ServerName, BTSServerName = @ServerName
    WHERE DefaultDatabaseName = @DefaultDatabaseName
END
GO

CREATE FUNCTION dbo.sp_IsSSODB (@BackupServer sysname, @BackupDB sysname)
RETURNS bit
AS
BEGIN
    DECLARE @is bit
    SET @is = 0
    IF EXISTS (SELECT 1 FROM dbo.adm_OtherBackupDatabases
               WHERE DefaultDatabaseName = N'SSO' AND ServerName = @BackupServer AND DatabaseName = @BackupDB)
        SET @is = 1
    RETURN @is
END
GO

-- ---- settings, set ids, names ----

CREATE PROCEDURE dbo.sp_ForceFullBackup
AS
BEGIN
    SET NOCOUNT ON
    UPDATE dbo.adm_BackupSettings SET ForceFull = 1
END
GO

CREATE PROCEDURE dbo.sp_SetBackupCompression
    @bCompression bit
AS
BEGIN
    SET NOCOUNT ON
    UPDATE dbo.adm_BackupSettings SET UseCompression = @bCompression
END
GO

-- RETURNs the id; -1 when there is not exactly one row with a positive value.
CREATE PROCEDURE dbo.sp_GetNextBackupSetId
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @id bigint, @rows int, @own bit
    SET @own = 0
    IF @@TRANCOUNT = 0
    BEGIN
        SET @own = 1
        BEGIN TRANSACTION
    END
    SELECT @rows = COUNT(*) FROM dbo.adm_BackupSetId
    SELECT @id = NextBackupSetId FROM dbo.adm_BackupSetId
    IF @rows <> 1 OR @id IS NULL OR @id <= 0
    BEGIN
        IF @own = 1
            ROLLBACK TRANSACTION
        RETURN -1
    END
    UPDATE dbo.adm_BackupSetId SET NextBackupSetId = @id + 1
    IF @@ERROR <> 0
    BEGIN
        IF @own = 1 AND @@TRANCOUNT > 0
            ROLLBACK TRANSACTION
        RETURN -1
    END
    IF @own = 1
        COMMIT TRANSACTION
    RETURN @id
END
GO

-- <MarkName>_<time> with punctuation as _ and without quotes.
CREATE PROCEDURE dbo.sp_BuildFullMarkName
    @MarkName nvarchar(8),
    @TimeStamp datetime = NULL,
    @UseLocalTime bit = 0,
    @FullMarkName nvarchar(32) OUTPUT
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @text nvarchar(64), @punctuation nvarchar(64), @at int
    IF @TimeStamp IS NULL AND @UseLocalTime = 1
        SET @TimeStamp = GETDATE()
    IF @TimeStamp IS NULL
        SET @TimeStamp = GETUTCDATE()
    SET @text = @MarkName + N'_' + CONVERT(nvarchar(23), @TimeStamp, 121)
    SET @punctuation = N' ~!@#$%^&*()-+{[}|\:;<>,./'
    SET @at = 1
    WHILE @at <= LEN(@punctuation)
    BEGIN
        SET @text = REPLACE(@text, SUBSTRING(@punctuation, @at, 1), N'_')
        SET @at = @at + 1
    END
    SET @text = REPLACE(@text, N'''', N'')
    SET @text = REPLACE(@text, N'"', N'')
    SET @FullMarkName = @text
    RETURN 0
END
GO

-- Splits at the last separator; -1 when there is none.
CREATE PROCEDURE dbo.sp_GetFileNameFromFilePath
    @FilePath nvarchar(2000),
    @Name nvarchar(500) OUTPUT,
    @Location nvarchar(1500) OUTPUT
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @at int
    SET @at = CHARINDEX(N'\', REVERSE(@FilePath))
    IF @at = 0
        SET @at = CHARINDEX(N'/', REVERSE(@FilePath))
    IF @at = 0
        RETURN -1
    SET @Name = RIGHT(@FilePath, @at - 1)
    SET @Location = LEFT(@FilePath, LEN(@FilePath) - @at)
    RETURN 0
END
GO

-- ---- the lock that writers and readers of the history share ----

CREATE PROCEDURE dbo.sp_AcquireBackupWriterLock
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @return int
    EXEC @return = sp_getapplock @Resource = N'BTS_BackupJob_Lock', @LockMode = N'Exclusive', @LockOwner = N'Session'
    RETURN @return
END
GO

CREATE PROCEDURE dbo.sp_ReleaseBackupWriterLock
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @return int
    EXEC @return = sp_releaseapplock @Resource = N'BTS_BackupJob_Lock', @LockOwner = N'Session'
    RETURN @return
END
GO

-- ---- the history ----

CREATE PROCEDURE dbo.sp_GetBackupHistory
    @LastBackupSetId bigint = NULL
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @return int
    IF @LastBackupSetId IS NULL
        RETURN -1
    EXEC @return = dbo.sp_AcquireBackupWriterLock
    IF @return < 0
        RETURN @return
    SELECT BackupId, BackupSetId, MarkName, DatabaseName, ServerName, BackupFileName, BackupFileLocation, BackupType,
           BackupDateTime, SetComplete
    FROM dbo.adm_BackupHistory
    WHERE BackupSetId > @LastBackupSetId
    ORDER BY BackupSetId
    EXEC dbo.sp_ReleaseBackupWriterLock
    RETURN 0
END
GO

-- Rows of sets that are wholly older than the limit, while a later full's rows exist. No files, no MarkLog rows.
CREATE PROCEDURE dbo.sp_DeleteBackupHistory
    @DaysToKeep smallint = NULL,
    @UseLocalTime bit = 0
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @limit datetime
    IF @DaysToKeep IS NULL OR @DaysToKeep <= 0
        RETURN 0
    IF @UseLocalTime = 1
        SET @limit = DATEADD(day, -@DaysToKeep, GETDATE())
    ELSE
        SET @limit = DATEADD(day, -@DaysToKeep, GETUTCDATE())
    DELETE FROM dbo.adm_BackupHistory
    WHERE BackupDateTime < @limit
      AND BackupSetId NOT IN (SELECT BackupSetId FROM dbo.adm_BackupHistory WHERE BackupDateTime >= @limit)
      AND BackupSetId < (SELECT MAX(BackupSetId) FROM dbo.adm_BackupHistory WHERE BackupType = 'db')
    RETURN 0
END
GO

-- ---- other instances ----

CREATE PROCEDURE dbo.bts_SafeAddLinkedServer
    @linkedServer sysname
AS
BEGIN
    SET NOCOUNT ON
    IF @linkedServer IS NULL OR @linkedServer = CAST(SERVERPROPERTY('servername') AS sysname)
        RETURN 0
    IF NOT EXISTS (SELECT 1 FROM master.dbo.sysservers WHERE srvname = @linkedServer)
    BEGIN
        EXEC master.dbo.sp_addlinkedserver @server = @linkedServer, @srvproduct = N'SQL Server'
        RAISERROR (N'%s was configured as a linked server as required by BizTalk Server.', 0, 1, @linkedServer)
    END
    RETURN 0
END
GO

CREATE PROCEDURE dbo.sp_GetLinkedServerQTimeout
    @server sysname
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @seconds int
    SELECT @seconds = querytimeout FROM master.dbo.sysservers WHERE srvname = @server
    IF @seconds IS NULL OR @seconds <= 0
        SELECT @seconds = CAST(value_in_use AS int) FROM sys.configurations WHERE name = N'remote query timeout (s)'
    IF @seconds IS NULL
        RETURN -1
    RETURN @seconds
END
GO

-- The real name behind a server name of the group. A row of this instance needs no linked server.
CREATE PROCEDURE dbo.sp_GetRemoteServerName
    @ServerName nvarchar(256),
    @DatabaseName sysname,
    @RemoteServerName sysname OUTPUT
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @statement nvarchar(1000)
    SET @RemoteServerName = NULL
    SET @statement = N'EXEC [' + REPLACE(@DatabaseName, N']', N']]') + N'].dbo.sp_GetServerName @n OUTPUT'
    IF @ServerName <> CAST(SERVERPROPERTY('servername') AS nvarchar(128))
        SET @statement = N'EXEC [' + REPLACE(@ServerName, N']', N']]') + N'].[' + REPLACE(@DatabaseName, N']', N']]')
                       + N'].dbo.sp_GetServerName @n OUTPUT'
    EXEC sp_executesql @statement, N'@n sysname OUTPUT', @n = @RemoteServerName OUTPUT
    IF @RemoteServerName IS NULL
        RETURN -1
    RETURN 0
END
GO

CREATE PROCEDURE dbo.sp_BlockTDDS
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @server nvarchar(128), @database nvarchar(128), @statement nvarchar(1000)
    SELECT @server = TrackingDBServerName, @database = TrackingDBName FROM dbo.adm_Group
    IF @server IS NOT NULL AND @server <> N''
    BEGIN
        SET @statement = N'EXEC [' + REPLACE(@database, N']', N']]') + N'].dbo.TDDS_BlockTDDS'
        IF @server <> CAST(SERVERPROPERTY('servername') AS nvarchar(128))
            SET @statement = N'EXEC [' + REPLACE(@server, N']', N']]') + N'].[' + REPLACE(@database, N']', N']]')
                           + N'].dbo.TDDS_BlockTDDS'
        EXEC (@statement)
    END
    RETURN 0
END
GO

-- ---- the mark, as the job sets it: one distributed marked transaction ----

CREATE PROCEDURE dbo.sp_MarkBTSLogs
    @MarkName nvarchar(32)
AS
BEGIN
    SET NOCOUNT ON
    SET XACT_ABORT ON
    DECLARE @local sysname, @server nvarchar(128), @database nvarchar(128), @real sysname, @previous sysname
    DECLARE @where nvarchar(600), @statement nvarchar(1000), @return int
    SET @local = CAST(SERVERPROPERTY('servername') AS sysname)
    SET @previous = @local
    BEGIN TRANSACTION @MarkName WITH MARK @MarkName
    EXEC dbo.sp_BlockTDDS
    DECLARE rows_of_group CURSOR LOCAL FAST_FORWARD FOR
        SELECT ServerName, DatabaseName FROM dbo.admv_BackupDatabases ORDER BY ServerName, DatabaseName
    OPEN rows_of_group
    FETCH NEXT FROM rows_of_group INTO @server, @database
    WHILE @@FETCH_STATUS = 0
    BEGIN
        EXEC @return = dbo.sp_GetRemoteServerName @server, @database, @real OUTPUT
        IF @return <> 0
        BEGIN
            RAISERROR (N'sp_GetRemoteServerName failed to resolve server name %s', 16, 1, @server)
            RETURN -1
        END
        SET @where = N'[' + REPLACE(@database, N']', N']]') + N'].dbo.'
        IF @server <> @local
            SET @where = N'[' + REPLACE(@server, N']', N']]') + N'].' + @where
        IF @real = @local OR @real = @previous
            SET @statement = N'EXEC @r = ' + @where + N'sp_SetMark @m'
        ELSE
            SET @statement = N'EXEC @r = ' + @where + N'sp_SetMarkRemote @m'
        SET @return = -1
        EXEC sp_executesql @statement, N'@m nvarchar(128), @r int OUTPUT', @m = @MarkName, @r = @return OUTPUT
        IF @return <> 0
        BEGIN
            RAISERROR (N'Failed running the marking proc on %s.%s', 16, 1, @server, @database)
            RETURN -1
        END
        SET @previous = @real
        FETCH NEXT FROM rows_of_group INTO @server, @database
    END
    CLOSE rows_of_group
    DEALLOCATE rows_of_group
    COMMIT TRANSACTION
    RETURN 0
END
GO

-- ---- one backup of one row, local or remote, and its row in the history ----

CREATE PROCEDURE dbo.sp_BackupOneDatabase
    @BackupSetId bigint,
    @BackupType char(2),
    @server nvarchar(128),
    @database nvarchar(128),
    @FullMarkName nvarchar(32),
    @BackupPath nvarchar(128),
    @TimeStamp datetime
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @statement nvarchar(1000), @procedure nvarchar(60), @location nvarchar(4000), @return int, @compress bit
    DECLARE @name nvarchar(500), @folder nvarchar(1500), @mark nvarchar(32)
    SELECT @compress = UseCompression FROM dbo.adm_BackupSettings
    IF dbo.sp_IsSSODB(@server, @database) = 1
        SET @compress = 0
    SET @procedure = N'sp_BackupBizTalkLog'
    SET @mark = @FullMarkName
    IF @BackupType = 'db'
    BEGIN
        SET @procedure = N'sp_BackupBizTalkFull'
        SET @mark = NULL
    END
    SET @statement = N'[' + REPLACE(@database, N']', N']]') + N'].dbo.' + @procedure
    IF @server <> CAST(SERVERPROPERTY('servername') AS nvarchar(128))
        SET @statement = N'[' + REPLACE(@server, N']', N']]') + N'].' + @statement
    SET @statement = N'EXEC @r = ' + @statement + N' @seq = @s, @path = @p, @BackupLocation = @l OUTPUT'
    IF @compress = 1
        SET @statement = @statement + N', @bCompression = 1'
    SET @return = -1
    EXEC sp_executesql @statement,
         N'@s nvarchar(128), @p nvarchar(3000), @l nvarchar(4000) OUTPUT, @r int OUTPUT',
         @s = @FullMarkName, @p = @BackupPath, @l = @location OUTPUT, @r = @return OUTPUT
    IF @return <> 0 OR @location IS NULL
    BEGIN
        RAISERROR (N'Failed running the backup on %s.%s', 16, 1, @server, @database)
        RETURN -1
    END
    EXEC @return = dbo.sp_GetFileNameFromFilePath @location, @name OUTPUT, @folder OUTPUT
    IF @return <> 0
    BEGIN
        RAISERROR (N'Failed running sp_GetFileNameFromFilePath', 16, 1)
        RETURN -1
    END
    INSERT INTO dbo.adm_BackupHistory (BackupSetId, MarkName, DatabaseName, ServerName, BackupFileName,
                                       BackupFileLocation, BackupType, BackupDateTime, SetComplete)
    VALUES (@BackupSetId, @mark, @database, @server, @name, @BackupPath, @BackupType, @TimeStamp, 0)
    IF @@ERROR <> 0
        RETURN -1
    RETURN 0
END
GO

-- Every row of the group, one after another; stops at the first that fails. SetComplete when all are there.
CREATE PROCEDURE dbo.sp_BackupEveryDatabase
    @BackupSetId bigint,
    @BackupType char(2),
    @FullMarkName nvarchar(32),
    @BackupPath nvarchar(128),
    @TimeStamp datetime
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @server nvarchar(128), @database nvarchar(128), @return int, @count int
    SET @count = 0
    DECLARE rows_to_back_up CURSOR LOCAL FAST_FORWARD FOR
        SELECT ServerName, DatabaseName FROM dbo.admv_BackupDatabases ORDER BY ServerName
    OPEN rows_to_back_up
    FETCH NEXT FROM rows_to_back_up INTO @server, @database
    WHILE @@FETCH_STATUS = 0
    BEGIN
        IF @BackupType = 'db'
            EXEC dbo.bts_SafeAddLinkedServer @server
        EXEC @return = dbo.sp_BackupOneDatabase @BackupSetId, @BackupType, @server, @database, @FullMarkName,
                                                @BackupPath, @TimeStamp
        IF @return <> 0
            RETURN -1
        SET @count = @count + 1
        FETCH NEXT FROM rows_to_back_up INTO @server, @database
    END
    CLOSE rows_to_back_up
    DEALLOCATE rows_to_back_up
    UPDATE dbo.adm_BackupHistory SET SetComplete = 1 WHERE BackupSetId = @BackupSetId
    IF @@ROWCOUNT <> @count
        RETURN -1
    RETURN 0
END
GO

CREATE PROCEDURE dbo.sp_BackupAllFull
    @MarkName nvarchar(8),
    @BackupPath nvarchar(128),
    @TimeStamp datetime = NULL,
    @UseLocalTime bit = 0
AS
BEGIN
    SET NOCOUNT ON
    SET XACT_ABORT ON
    DECLARE @id bigint, @full nvarchar(32), @return int
    EXEC @id = dbo.sp_GetNextBackupSetId
    IF @id < 0
    BEGIN
        RAISERROR (N'Failed running sp_GetNextBackupSetId', 16, 1)
        RETURN -1
    END
    IF @TimeStamp IS NULL AND @UseLocalTime = 1
        SET @TimeStamp = GETDATE()
    IF @TimeStamp IS NULL
        SET @TimeStamp = GETUTCDATE()
    EXEC dbo.sp_BuildFullMarkName @MarkName, @TimeStamp, @UseLocalTime, @full OUTPUT
    EXEC dbo.sp_AcquireBackupWriterLock
    EXEC @return = dbo.sp_BackupEveryDatabase @id, 'db', @full, @BackupPath, @TimeStamp
    IF @return <> 0
    BEGIN
        -- The lock stays with the session, as in BizTalk's own.
        RAISERROR (N'Failed backing up the databases', 16, 1)
        RETURN -1
    END
    EXEC dbo.sp_ReleaseBackupWriterLock
    RETURN 0
END
GO

CREATE PROCEDURE dbo.sp_MarkAll
    @MarkName nvarchar(8),
    @BackupPath nvarchar(128),
    @UseLocalTime bit = 0
AS
BEGIN
    SET NOCOUNT ON
    SET XACT_ABORT ON
    DECLARE @id bigint, @full nvarchar(32), @return int, @now datetime
    EXEC @id = dbo.sp_GetNextBackupSetId
    IF @id < 0
    BEGIN
        RAISERROR (N'Failed running sp_GetNextBackupSetId', 16, 1)
        RETURN -1
    END
    SET @now = GETUTCDATE()
    IF @UseLocalTime = 1
        SET @now = GETDATE()
    EXEC dbo.sp_BuildFullMarkName @MarkName, @now, @UseLocalTime, @full OUTPUT
    EXEC dbo.sp_AcquireBackupWriterLock
    EXEC @return = dbo.sp_MarkBTSLogs @full
    IF @return = 0
        EXEC @return = dbo.sp_BackupEveryDatabase @id, 'lg', @full, @BackupPath, @now
    EXEC dbo.sp_ReleaseBackupWriterLock
    IF @return <> 0
    BEGIN
        RAISERROR (N'Failed backing up the databases', 16, 1)
        RETURN -1
    END
    RETURN 0
END
GO

-- Is a full due now? 1 yes, 0 no, -1 a bad letter.
CREATE PROCEDURE dbo.sp_IsFullDue
    @Frequency nchar(1),
    @ForceFullBackupAfterPartialSetFailure bit,
    @BackupHour int,
    @UseLocalTime bit
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @now datetime, @latest datetime, @same int, @partial bigint
    SET @now = GETUTCDATE()
    IF @UseLocalTime = 1
        SET @now = GETDATE()
    IF @BackupHour < 0 OR @BackupHour > 23
        SET @BackupHour = 0
    IF EXISTS (SELECT 1 FROM dbo.adm_BackupSettings WHERE ForceFull = 1)
        RETURN 1
    IF @ForceFullBackupAfterPartialSetFailure = 1
    BEGIN
        SELECT @partial = MAX(BackupSetId) FROM dbo.adm_BackupHistory WHERE SetComplete = 0
        IF @partial IS NOT NULL AND NOT EXISTS (SELECT 1 FROM dbo.adm_BackupHistory
                                                WHERE BackupType = 'db' AND SetComplete = 1 AND BackupSetId > @partial)
            RETURN 1
    END
    SELECT @latest = MAX(BackupDateTime) FROM dbo.adm_BackupHistory WHERE BackupType = 'db'
    IF @latest IS NULL
        RETURN 1
    SET @Frequency = LOWER(@Frequency)
    SET @same = -1
    IF @Frequency IN (N'h', N'd', N'w', N'm', N'y')
    BEGIN
        SET @same = 0
        IF DATEPART(year, @latest) = DATEPART(year, @now)
        BEGIN
            IF @Frequency = N'y'
                SET @same = 1
            ELSE IF DATEPART(month, @latest) = DATEPART(month, @now)
            BEGIN
                IF @Frequency = N'm'
                    SET @same = 1
                IF @Frequency = N'w' AND DATEPART(week, @latest) = DATEPART(week, @now)
                    SET @same = 1
                IF @Frequency = N'd' AND DATEPART(day, @latest) = DATEPART(day, @now)
                    SET @same = 1
                IF @Frequency = N'h' AND DATEPART(day, @latest) = DATEPART(day, @now)
                   AND DATEPART(hour, @latest) = DATEPART(hour, @now)
                    SET @same = 1
            END
        END
    END
    IF @same = -1
        RETURN -1
    IF @same = 1
        RETURN 0
    IF @BackupHour IS NOT NULL AND @Frequency <> N'h' AND DATEPART(hour, GETDATE()) <> @BackupHour
        RETURN 0
    RETURN 1
END
GO

CREATE PROCEDURE dbo.sp_BackupAllFull_Schedule
    @Frequency nchar(1),
    @MarkName nvarchar(8),
    @BackupPath nvarchar(128),
    @ForceFullBackupAfterPartialSetFailure bit = 0,
    @BackupHour int = NULL,
    @UseLocalTime bit = 0
AS
BEGIN
    SET NOCOUNT ON
    DECLARE @due int, @return int, @forced bit, @now datetime
    SET @now = GETUTCDATE()
    IF @UseLocalTime = 1
        SET @now = GETDATE()
    SELECT @forced = ForceFull FROM dbo.adm_BackupSettings
    EXEC @due = dbo.sp_IsFullDue @Frequency, @ForceFullBackupAfterPartialSetFailure, @BackupHour, @UseLocalTime
    IF @due < 0
    BEGIN
        RAISERROR (N'Unknown value for the parameter @Frequency', 16, 1)
        RETURN -1
    END
    IF @due = 0
        RETURN 0
    EXEC @return = dbo.sp_BackupAllFull @MarkName, @BackupPath, @now, @UseLocalTime
    IF @return <> 0
    BEGIN
        RAISERROR (N'Failed running sp_BackupAllFull', 16, 1)
        RETURN -1
    END
    IF @forced = 1
        UPDATE dbo.adm_BackupSettings SET ForceFull = 0
    RETURN 0
END
GO

-- ---- rights ----

GRANT EXECUTE ON dbo.sp_GetBackupDatabasesForServer TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_IsSSODB TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_ForceFullBackup TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_SetBackupCompression TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_GetNextBackupSetId TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_BuildFullMarkName TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_AcquireBackupWriterLock TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_ReleaseBackupWriterLock TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_GetBackupHistory TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_DeleteBackupHistory TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_BackupAllFull TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_BackupAllFull_Schedule TO BTS_BACKUP_USERS
GRANT EXECUTE ON dbo.sp_MarkAll TO BTS_BACKUP_USERS
GRANT SELECT, INSERT, UPDATE ON dbo.adm_BackupHistory TO BTS_BACKUP_USERS
GRANT SELECT, UPDATE ON dbo.adm_BackupSettings TO BTS_BACKUP_USERS
GRANT SELECT, UPDATE ON dbo.adm_BackupSetId TO BTS_BACKUP_USERS
GO
