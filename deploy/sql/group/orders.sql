-- OrdersDb, a database of an application that takes part in the group's backups (adm_OtherBackupDatabases). Run inside it
-- after backup-setup.sql. For test groups only.
CREATE TABLE dbo.Orders (
    uidOrderID uniqueidentifier NOT NULL PRIMARY KEY,
    nvcOrder nvarchar(400) NOT NULL,
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE()
)
GO
