-- BAMPrimaryImport as far as a backup's consistency is concerned: it has a TDDS position of its own and takes no message
-- bodies. Run inside it after backup-setup.sql.
--
-- In our own words and much smaller than BizTalk's: the names are BizTalk's where a public script shows them. For test
-- groups only.

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

CREATE TABLE dbo.bam_Events (
    nEventId bigint IDENTITY(1,1) NOT NULL PRIMARY KEY,
    nvcSource nvarchar(256) NOT NULL,
    nSequence bigint NOT NULL,
    uidMessageID uniqueidentifier NOT NULL,
    nvcEvent nvarchar(400) NOT NULL,
    dtTimeStamp datetime NOT NULL DEFAULT GETUTCDATE()
)
GO
CREATE INDEX IX_bam_Events ON dbo.bam_Events (uidMessageID)
GO

GRANT EXECUTE ON dbo.TDDS_BlockTDDS TO BTS_BACKUP_USERS
GO
