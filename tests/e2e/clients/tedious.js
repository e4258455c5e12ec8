'use strict';
// What an application does with SQL Server through tedious, against a server at 127.0.0.1. Run by test_tedious.c:
//   node tedious.js PORT PASSWORD_FILE CA_FILE [CASE]    every case, or one: "ok NAME", or "failed NAME" and what was wrong
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { Connection, Request, TYPES, ISOLATION_LEVEL } = require('tedious');

const [port, passwordFile, caFile, wanted] = process.argv.slice(2);
const password = fs.readFileSync(passwordFile, 'utf8').split('\n')[0];

function settings({ encrypt = false, ca = false, user = 'sa', secret = password, options = {} } = {}) {
    return {
        server: 'localhost',
        authentication: { type: 'default', options: { userName: user, password: secret } },
        options: {
            port: Number(port),
            encrypt,
            trustServerCertificate: !ca,
            cryptoCredentialsDetails: ca ? { ca: fs.readFileSync(caFile) } : {},
            appName: 'tedious-test',
            connectTimeout: 20000,
            requestTimeout: 60000,
            useColumnNames: false,
            rowCollectionOnRequestCompletion: false,
            ...options,
        },
    };
}

function connect(how) {
    return new Promise((resolve, reject) => {
        const connection = new Connection(settings(how));
        connection.connect((error) => (error ? reject(error) : resolve(connection)));
        connection.on('error', () => {}); // a server that ends the connection says so in the request, too
    });
}

function close(connection) {
    return new Promise((resolve) => {
        connection.once('end', resolve);
        connection.close();
    });
}

// Runs one request: its result sets (rows as arrays of values), messages, output parameters and return status.
function run(connection, text, { parameters = [], outputs = [], how = 'execSql', onInfo } = {}) {
    return new Promise((resolve) => {
        const sets = [];
        const result = { sets, infos: [], outputs: {}, error: null, errors: [] };
        const request = new Request(text, (error, count) => {
            connection.removeListener('infoMessage', info);
            connection.removeListener('errorMessage', failed);
            resolve({ ...result, error: error ?? null, count });
        });
        const info = (message) => {
            result.infos.push(message);
            if (onInfo) onInfo(request);
        };
        const failed = (message) => result.errors.push(message);
        connection.on('infoMessage', info);
        connection.on('errorMessage', failed);
        for (const [name, type, value, more] of parameters) request.addParameter(name, type, value, more);
        for (const [name, type, value, more] of outputs) request.addOutputParameter(name, type, value, more);
        request.on('columnMetadata', (columns) => sets.push({ names: columns.map((column) => column.colName), rows: [] }));
        request.on('row', (columns) => sets[sets.length - 1].rows.push(columns.map((column) => column.value)));
        request.on('returnValue', (name, value) => (result.outputs[name] = value));
        request.on('doneProc', (count, more, status) => (result.status = status));
        connection[how](request);
    });
}

const batch = (connection, text, more) => run(connection, text, { how: 'execSqlBatch', ...more });

async function good(promise) {
    const result = await promise;
    if (result.error) throw result.error;
    return result;
}

const act = (connection, verb, ...rest) =>
    new Promise((resolve, reject) => connection[verb]((error) => (error ? reject(error) : resolve()), ...rest));

async function withConnection(body, how) {
    const connection = await connect(how);
    try {
        await body(connection);
    } finally {
        await close(connection);
    }
}

const cases = {
    async login() {
        await withConnection(async (connection) => {
            const { sets } = await good(batch(connection, 'SELECT SUSER_SNAME () AS who, DB_NAME () AS db, APP_NAME () AS app'));
            assert.deepEqual(sets[0].names, ['who', 'db', 'app']);
            assert.deepEqual(sets[0].rows, [['sa', 'master', 'tedious-test']]);
        });
    },

    async wrong_password() {
        await assert.rejects(connect({ secret: 'not-the-password' }), (error) => {
            assert.equal(error.code, 'ELOGIN');
            assert.match(error.message, /Login failed for user 'sa'/);
            return true;
        });
    },

    async encryption() {
        const encrypted = async (how) => {
            let value;
            await withConnection(async (connection) => {
                const { sets } = await good(
                    batch(connection, 'SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID'),
                );
                value = sets[0].rows[0][0];
                const large = await good(run(connection, 'SELECT @text AS t', { parameters: [['text', TYPES.NVarChar, 'ü'.repeat(300000)]] }));
                assert.equal(large.sets[0].rows[0][0].length, 300000);
            }, how);
            return value;
        };
        assert.equal(await encrypted({ encrypt: true, ca: true }), 'TRUE');
        assert.equal(await encrypted({ encrypt: true }), 'TRUE');
        assert.equal(await encrypted({ encrypt: false }), 'FALSE');
    },

    async untrusted_certificate() {
        await assert.rejects(
            new Promise((resolve, reject) => {
                const how = settings({ encrypt: true });
                how.options.trustServerCertificate = false; // and no authority named
                const connection = new Connection(how);
                connection.connect((error) => (error ? reject(error) : resolve()));
            }),
            /certificate|self-signed|unable to verify/i,
        );
    },

    async result_sets() {
        await withConnection(async (connection) => {
            const { sets, infos } = await good(
                batch(
                    connection,
                    "SELECT 1 AS a; PRINT 'between'; SELECT N'x' AS b, NULL AS c UNION ALL SELECT N'y', NULL; SELECT 1 AS none WHERE 1 = 0",
                ),
            );
            assert.deepEqual(sets.map((set) => set.names), [['a'], ['b', 'c'], ['none']]);
            assert.deepEqual(sets.map((set) => set.rows), [[[1]], [['x', null], ['y', null]], []]);
            assert.deepEqual(infos.map((info) => info.message), ['between']);
        });
    },

    async errors() {
        await withConnection(async (connection) => {
            await good(batch(connection, 'CREATE DATABASE ErrorsDb'));
            await good(batch(connection, 'USE ErrorsDb'));
            await good(batch(connection, "CREATE PROCEDURE dbo.Fails AS\nBEGIN\nRAISERROR (N'it failed', 16, 7)\nRETURN 5\nEND"));
            const { error, status } = await run(connection, 'dbo.Fails', { how: 'callProcedure' });
            assert.deepEqual(
                [error.number, error.class, error.state, error.procName, error.lineNumber, error.message, status],
                [50000, 16, 7, 'Fails', 3, 'it failed', 5],
            );
            const missing = await run(connection, 'SELECT 1 AS a; SELECT * FROM dbo.NoSuchTable; SELECT 2 AS b', { how: 'execSqlBatch' });
            assert.equal(missing.error.number, 208);
            const several = await batch(connection, "RAISERROR (N'one', 16, 1); RAISERROR (N'two', 11, 2); SELECT 3 AS c");
            assert.deepEqual(several.errors.map((item) => [item.number, item.class, item.message]), [
                [50000, 16, 'one'],
                [50000, 11, 'two'],
            ]);
            assert.deepEqual(several.sets[0].rows, [[3]]);
            const unknown = await run(connection, 'dbo.NoSuchProcedure', { how: 'callProcedure' });
            assert.equal(unknown.error.number, 2812);
            const thrown = await batch(connection, "BEGIN TRY SELECT 1 / 0 AS x END TRY BEGIN CATCH SELECT ERROR_NUMBER () AS n END CATCH");
            assert.equal(thrown.error, null);
            assert.deepEqual(thrown.sets[thrown.sets.length - 1].rows, [[8134]]);
            await good(batch(connection, 'SELECT 1 AS lives'));
        });
    },

    // Every type both ways through sp_executesql: what goes in comes out.
    async parameters() {
        const day = new Date(Date.UTC(2024, 1, 29));
        const moment = new Date(Date.UTC(2024, 1, 29, 12, 34, 56, 120));
        const rows = [
            [TYPES.Bit, true],
            [TYPES.TinyInt, 255],
            [TYPES.SmallInt, -32768],
            [TYPES.Int, 2147483647],
            [TYPES.BigInt, '-9223372036854775808', undefined, '-9223372036854775808'],
            [TYPES.Float, 1.5e300],
            [TYPES.Real, 0.25],
            [TYPES.Decimal, -1234.5678, { precision: 18, scale: 4 }],
            [TYPES.Numeric, 99.5, { precision: 5, scale: 1 }],
            [TYPES.Money, 12.34],
            [TYPES.NVarChar, 'Ж\u{1F600} ü', { length: 50 }],
            [TYPES.NVarChar, ''],
            [TYPES.VarChar, 'plain', { length: 10 }],
            [TYPES.NChar, 'ab ', { length: 3 }],
            [TYPES.VarBinary, Buffer.from([0, 1, 254, 255]), { length: 8 }],
            [TYPES.UniqueIdentifier, '6F9619FF-8B86-D011-B42D-00C04FC964FF'],
            [TYPES.Date, day],
            [TYPES.DateTime, moment],
            [TYPES.DateTime2, moment, { scale: 3 }],
            [TYPES.Time, new Date(Date.UTC(1970, 0, 1, 12, 34, 56, 120)), { scale: 3 }],
        ];
        await withConnection(async (connection) => {
            const parameters = [];
            rows.forEach(([type, value, more], i) => {
                parameters.push([`p${i}`, type, value, more]);
                parameters.push([`n${i}`, type, null, more]);
            });
            const list = rows.map((row, i) => `@p${i} AS p${i}, @n${i} AS n${i}`).join(', ');
            const { sets } = await good(run(connection, `SELECT ${list}`, { parameters }));
            const got = sets[0].rows[0];
            rows.forEach(([type, value, , expected = value], i) => {
                let seen = got[2 * i];
                if (typeof expected === 'number' && type !== TYPES.Float) seen = Number(seen);
                assert.deepEqual(seen, expected, `${type.name}`);
                assert.equal(got[2 * i + 1], null, `${type.name} NULL`);
            });
        });
    },

    async calls() {
        await withConnection(async (connection) => {
            await good(batch(connection, 'CREATE DATABASE CallsDb'));
            await good(batch(connection, 'USE CallsDb'));
            await good(
                batch(
                    connection,
                    'CREATE PROCEDURE dbo.Twice @n int, @text nvarchar(100) = N\'none\', @doubled int OUTPUT, @said nvarchar(200) OUTPUT AS\n' +
                        'SET @doubled = @n * 2; SET @said = @text + N\'!\'; SELECT @n AS n; RETURN 42',
                ),
            );
            const result = await good(
                run(connection, 'dbo.Twice', {
                    how: 'callProcedure',
                    parameters: [['n', TYPES.Int, 21], ['text', TYPES.NVarChar, 'grüß']],
                    outputs: [['doubled', TYPES.Int], ['said', TYPES.NVarChar, '', { length: 200 }]],
                }),
            );
            assert.deepEqual(result.outputs, { doubled: 42, said: 'grüß!' });
            assert.equal(result.status, 42);
            assert.deepEqual(result.sets[0].rows, [[21]]);
        });
    },

    async prepared() {
        await withConnection(async (connection) => {
            for (const [value, expected] of [[[1, 2, 3], [[2], [4], [6]]]]) {
                const seen = [];
                const request = new Request('SELECT @n * 2 AS twice', () => {});
                request.addParameter('n', TYPES.Int);
                await new Promise((resolve, reject) => {
                    request.on('prepared', resolve);
                    request.once('error', reject);
                    connection.prepare(request);
                });
                for (const n of value)
                    await new Promise((resolve, reject) => {
                        const rows = [];
                        request.removeAllListeners('row');
                        request.on('row', (columns) => rows.push(columns[0].value));
                        request.userCallback = (error) => {
                            seen.push(rows);
                            if (error) reject(error);
                            else resolve();
                        };
                        connection.execute(request, { n });
                    });
                assert.deepEqual(seen, expected);
                await new Promise((resolve, reject) => {
                    request.userCallback = (error) => (error ? reject(error) : resolve());
                    connection.unprepare(request);
                });
            }
        });
    },

    async transactions() {
        await withConnection(async (connection) => {
            await good(batch(connection, 'CREATE DATABASE TranDb'));
            await good(batch(connection, 'USE TranDb'));
            await good(batch(connection, 'CREATE TABLE dbo.T (Id int NOT NULL PRIMARY KEY, Name nvarchar(50) NULL)'));
            const insert = (id) => good(run(connection, 'INSERT INTO dbo.T (Id, Name) VALUES (@id, @name)', {
                parameters: [['id', TYPES.Int, id], ['name', TYPES.NVarChar, `row ${id}`]],
            }));
            const ids = async () => (await good(batch(connection, 'SELECT Id FROM dbo.T ORDER BY Id'))).sets[0].rows.flat();
            await act(connection, 'beginTransaction', 'first', ISOLATION_LEVEL.READ_COMMITTED);
            assert.equal((await insert(1)).count, 1);
            await act(connection, 'commitTransaction');
            assert.deepEqual(await ids(), [1]);
            await act(connection, 'beginTransaction');
            await insert(2);
            assert.deepEqual(await ids(), [1, 2]);
            await act(connection, 'rollbackTransaction');
            assert.deepEqual(await ids(), [1]);
            await act(connection, 'beginTransaction');
            await insert(3);
            await act(connection, 'saveTransaction', 'here');
            await insert(4);
            await act(connection, 'rollbackTransaction', 'here');
            await act(connection, 'commitTransaction');
            assert.deepEqual(await ids(), [1, 3]);
            const double = await run(connection, 'INSERT INTO dbo.T (Id) VALUES (1)');
            assert.equal(double.error.number, 2627);
            // What a closed connection left open is rolled back.
            const other = await connect();
            await good(batch(other, 'USE TranDb; BEGIN TRANSACTION; INSERT INTO dbo.T (Id) VALUES (9)'));
            await close(other);
            assert.deepEqual(await ids(), [1, 3]);
        });
    },

    async cancel() {
        await withConnection(async (connection) => {
            const began = Date.now();
            const result = await batch(connection, "RAISERROR (N'it runs', 10, 1) WITH NOWAIT; WAITFOR DELAY '00:01:00'", {
                onInfo: () => connection.cancel(),
            });
            assert.equal(result.error.code, 'ECANCEL');
            assert.ok(Date.now() - began < 20000);
            const { sets } = await good(batch(connection, 'SELECT @@TRANCOUNT AS n'));
            assert.deepEqual(sets[0].rows, [[0]]);
        });
        await withConnection(async (connection) => {
            const late = await run(connection, "WAITFOR DELAY '00:01:00'", { how: 'execSqlBatch' });
            assert.equal(late.error.code, 'ETIMEOUT');
            await good(batch(connection, 'SELECT 1 AS lives'));
        }, { options: { requestTimeout: 1000 } });
    },

    async cancel_encrypted() {
        await withConnection(async (connection) => {
            const result = await batch(connection, "RAISERROR (N'it runs', 10, 1) WITH NOWAIT; WAITFOR DELAY '00:01:00'", {
                onInfo: () => connection.cancel(),
            });
            assert.equal(result.error.code, 'ECANCEL');
            await good(batch(connection, 'SELECT 1 AS lives'));
        }, { encrypt: true, ca: true });
    },

    async large_values() {
        await withConnection(async (connection) => {
            const text = 'Größe '.repeat(200000);
            const bytes = Buffer.alloc(3 * 1024 * 1024, 0xa5);
            const { sets } = await good(
                run(connection, 'SELECT @t AS t, LEN (@t + N\'.\') AS n, @b AS b, DATALENGTH (@b) AS m', {
                    parameters: [['t', TYPES.NVarChar, text], ['b', TYPES.VarBinary, bytes]],
                }),
            );
            const [t, n, b, m] = sets[0].rows[0];
            assert.equal(t, text);
            assert.equal(n, text.length + 1);
            assert.ok(bytes.equals(b));
            assert.equal(Number(m), bytes.length);
        }, { options: { packetSize: 16384 } });
    },

    async many_rows() {
        await withConnection(async (connection) => {
            await good(batch(connection, 'CREATE DATABASE RowsDb'));
            await good(batch(connection, 'USE RowsDb'));
            await good(batch(connection, 'CREATE TABLE dbo.R (Id int NOT NULL PRIMARY KEY, Text nvarchar(100) NOT NULL)'));
            await good(batch(connection, 'DECLARE @i int = 0; SET NOCOUNT ON; BEGIN TRANSACTION; WHILE @i < 3000 BEGIN ' +
                "INSERT INTO dbo.R VALUES (@i, N'row ' + CAST (@i AS nvarchar(10))); SET @i = @i + 1 END; COMMIT"));
            const { sets } = await good(batch(connection, 'SELECT Id, Text FROM dbo.R ORDER BY Id'));
            assert.equal(sets[0].rows.length, 3000);
            assert.deepEqual(sets[0].rows[2999], [2999, 'row 2999']);
        });
    },

    async reset() {
        await withConnection(async (connection) => {
            await good(batch(connection, 'CREATE DATABASE ResetDb'));
            await good(batch(connection, 'USE ResetDb; SET LOCK_TIMEOUT 77'));
            await good(batch(connection, 'BEGIN TRANSACTION'));
            await act(connection, 'reset');
            const { sets } = await good(batch(connection, 'SELECT DB_NAME () AS db, @@TRANCOUNT AS n, @@LOCK_TIMEOUT AS t'));
            assert.deepEqual(sets[0].rows, [['master', 0, -1]]);
        });
    },
};

async function main() {
    for (const name of wanted ? [wanted] : Object.keys(cases))
        try {
            await cases[name]();
            console.log(`ok ${name}`);
        } catch (error) {
            console.log(`failed ${name}`);
            console.log(error);
        }
}

main();
