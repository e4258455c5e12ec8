-- Messages that move from one database to another on another instance, each move one distributed transaction: as between the
-- MessageBoxes of a group, or from a MessageBox to an application's database. Run inside a database after backup-setup.sql.
-- A message stands in exactly one of them. For test groups only.

CREATE TABLE dbo.RoutedMessages (
    uidMessageID uniqueidentifier NOT NULL PRIMARY KEY,
    nLane int NOT NULL DEFAULT 0, -- the routers that move it
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE()
)
GO
