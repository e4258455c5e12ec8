-- A MessageBox as far as a backup's consistency is concerned: messages, and what is tracked of them until it has been
-- moved to the tracking databases. Run inside BizTalkMsgBoxDb (and each further MessageBox) after backup-setup.sql.
--
-- In our own words and much smaller than BizTalk's: the names are BizTalk's where a public script shows them. For test
-- groups only.

-- A message that was published.
CREATE TABLE dbo.Spool (
    uidMessageID uniqueidentifier NOT NULL PRIMARY KEY,
    nvcMessageType nvarchar(256) NOT NULL,
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE()
)
GO

CREATE TABLE dbo.Parts (
    uidPartID uniqueidentifier NOT NULL PRIMARY KEY,
    uidMessageID uniqueidentifier NOT NULL,
    nvcPart nvarchar(2000) NOT NULL
)
GO
CREATE INDEX IX_Parts ON dbo.Parts (uidMessageID)
GO

CREATE TABLE dbo.Fragments (
    uidPartID uniqueidentifier NOT NULL,
    nFragmentNumber int NOT NULL,
    nvcFragment nvarchar(2000) NOT NULL,
    CONSTRAINT PK_Fragments PRIMARY KEY (uidPartID, nFragmentNumber)
)
GO

-- Tracking events on their way: destination 0 = BizTalkDTADb, 1 = BAMPrimaryImport. TDDS reads them in the order of
-- nSequence, writes them at the destination together with its position, and deletes them here afterwards.
CREATE TABLE dbo.TrackingData (
    nSequence bigint IDENTITY(1,1) NOT NULL,
    nDestination tinyint NOT NULL,
    uidMessageID uniqueidentifier NOT NULL,
    nvcEvent nvarchar(400) NOT NULL,
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE(),
    CONSTRAINT PK_TrackingData PRIMARY KEY (nSequence)
)
GO

-- Message bodies that are to be copied to BizTalkDTADb.
CREATE TABLE dbo.TrackingMessageReferences (
    uidMessageID uniqueidentifier NOT NULL PRIMARY KEY,
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE()
)
GO
