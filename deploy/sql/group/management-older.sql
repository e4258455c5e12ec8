-- Turns the management database of a test group into one of the versions before adm_BackupSettings: no compression, and the
-- wish for a full backup stands in adm_ForceFullBackup. Run once inside BizTalkMgmtDb, after management.sql; with
-- backup-setup-sso.sql in the other databases too, no procedure of the group knows @bCompression.
--
-- In our own words; the columns of that table were never documented, so ForceFull is what is assumed. The job's own steps read
-- adm_BackupSettings and go with it: btsmark needs none of them. Plain T-SQL, for SQL Server 2012 and later.
SET NOCOUNT ON
CREATE TABLE dbo.adm_ForceFullBackup (ForceFull bit NOT NULL)
INSERT INTO dbo.adm_ForceFullBackup (ForceFull) SELECT ForceFull FROM dbo.adm_BackupSettings
GO

DROP PROCEDURE dbo.sp_SetBackupCompression, dbo.sp_BackupAllFull_Schedule, dbo.sp_IsFullDue, dbo.sp_MarkAll,
    dbo.sp_BackupAllFull, dbo.sp_BackupEveryDatabase, dbo.sp_BackupOneDatabase
DROP TABLE dbo.adm_BackupSettings
GO

ALTER PROCEDURE dbo.sp_ForceFullBackup
AS
BEGIN
    SET NOCOUNT ON
    UPDATE dbo.adm_ForceFullBackup SET ForceFull = 1
    RETURN 0
END
GO

GRANT SELECT, UPDATE ON dbo.adm_ForceFullBackup TO BTS_BACKUP_USERS
GO
