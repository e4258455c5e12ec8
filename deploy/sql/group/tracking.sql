-- BizTalkDTADb as far as a backup's consistency is concerned: what TDDS and TrackedMessages_Copy write. Run inside it
-- after backup-setup.sql.
--
-- In our own words and much smaller than BizTalk's: the names are BizTalk's where a public script shows them. For test
-- groups only.

-- How far TDDS has come with each stream (a MessageBox is a server).
CREATE TABLE dbo.TDDS_StreamStatus (
    serverName nvarchar(128) NOT NULL,
    destinationId tinyint NOT NULL,
    partitionId tinyint NOT NULL,
    lastSeqNum bigint NOT NULL,
    eventIdx int NULL,
    CONSTRAINT PK_TDDS_StreamStatus PRIMARY KEY (serverName, destinationId, partitionId)
)
GO

-- Keeps TDDS out until the caller's transaction ends. Returns what it selects: the caller must read it.
CREATE PROCEDURE dbo.TDDS_BlockTDDS
AS
BEGIN
    SET NOCOUNT ON
    IF @@TRANCOUNT = 0
        RETURN -1
    SELECT TOP (1) lastSeqNum FROM dbo.TDDS_StreamStatus WITH (TABLOCKX, HOLDLOCK)
    RETURN 0
END
GO

-- Events as they arrived; the source names the MessageBox they come from.
CREATE TABLE dbo.dta_MessageInOutEvents (
    nEventId bigint IDENTITY(1,1) NOT NULL PRIMARY KEY,
    nvcSource nvarchar(256) NOT NULL,
    nSequence bigint NOT NULL,
    uidMessageID uniqueidentifier NOT NULL,
    nvcEvent nvarchar(400) NOT NULL,
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE()
)
GO
CREATE INDEX IX_dta_MessageInOutEvents ON dbo.dta_MessageInOutEvents (uidMessageID)
GO

-- Bodies: parts first, then fragments, the spool row last.
CREATE TABLE dbo.Tracking_Parts1 (
    uidPartID uniqueidentifier NOT NULL,
    uidMessageID uniqueidentifier NOT NULL,
    nvcPart nvarchar(2000) NOT NULL
)
GO
CREATE INDEX IX_Tracking_Parts1 ON dbo.Tracking_Parts1 (uidMessageID)
GO

CREATE TABLE dbo.Tracking_Fragments1 (
    uidPartID uniqueidentifier NOT NULL,
    nFragmentNumber int NOT NULL,
    nvcFragment nvarchar(2000) NOT NULL
)
GO
CREATE INDEX IX_Tracking_Fragments1 ON dbo.Tracking_Fragments1 (uidPartID)
GO

CREATE TABLE dbo.Tracking_Spool1 (
    uidMessageID uniqueidentifier NOT NULL,
    nvcMessageType nvarchar(256) NOT NULL,
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE()
)
GO
CREATE INDEX IX_Tracking_Spool1 ON dbo.Tracking_Spool1 (uidMessageID)
GO

GRANT EXECUTE ON dbo.TDDS_BlockTDDS TO BTS_BACKUP_USERS
GRANT SELECT ON dbo.Tracking_Spool1 TO BTS_BACKUP_USERS
GO
