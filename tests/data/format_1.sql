-- The checkpoint of a job that format 1 wrote: killed with two rows on the wire. ENDPOINT and FOLDER are put in by the tests.
PRAGMA application_id = 1651794792;
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
BEGIN TRANSACTION;
CREATE TABLE doubts (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL,
    copy INTEGER NOT NULL,
    number INTEGER NOT NULL,
    bucket TEXT NOT NULL,
    object TEXT NOT NULL,
    inputs BLOB NOT NULL,
    intent_at REAL NOT NULL, -- POSIX seconds by the service's clock; the row was not sent before
    doubt_at REAL,           -- as intent_at; the row was not sent after
    seal INTEGER NOT NULL
);
CREATE TABLE header (name TEXT PRIMARY KEY, value NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO "header" VALUES('bucket','videos',2609204957);
INSERT INTO "header" VALUES('endpoint','ENDPOINT',1893968149);
INSERT INTO "header" VALUES('length of FOLDER/m.csv.executions.jsonl',3351,3327456070);
INSERT INTO "header" VALUES('manifest','FOLDER/m.csv',3909551845);
INSERT INTO "header" VALUES('output','FOLDER/m.csv.executions.jsonl',1730284333);
INSERT INTO "header" VALUES('parameters','{"template-id":"integer","note":"string","speed":"float","loud":"boolean","sizes":"list","labels":"map"}',479663065);
INSERT INTO "header" VALUES('static_inputs','{"note":"x"}',3366160018);
INSERT INTO "header" VALUES('workflow','transcode',3885566778);
CREATE TABLE intents (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,        -- POSIX seconds by the service's clock; no row of it was sent before
    rows TEXT NOT NULL,      -- the rows that were admitted together, as JSON; kept until the last of them is settled
    seal INTEGER NOT NULL
);
INSERT INTO "intents" VALUES(1,1.79598012300007486342e+09,'[[10,1,1,10,"78382ef9567995e44624581351a75d20","videos","clip 7","{\"note\":\"x\",\"speed\":2.0}"],[11,1,1,11,"9329dacd74aabd86957307edf66b4370","videos","clip 8","{\"note\":\"x\",\"speed\":2.0}"]]',3125135723);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,  -- order of admission
    key BLOB NOT NULL,       -- content identity, 16 bytes; not indexed on purpose
    copy INTEGER NOT NULL,   -- 1, or which repetition of the same content
    state INTEGER NOT NULL,  -- model.State
    number INTEGER NOT NULL, -- the row's number in the manifest when it was admitted
    execution,               -- name of the execution once started: BLOB for hexadecimal names, else TEXT
    seal INTEGER NOT NULL
);
INSERT INTO "rows" VALUES(1,X'DDAC8C50C758E2DBBA36C55AA18B88C0',1,2,1,X'3CEEF50B914D4A4DBC0F9BE533BA3EFF',1760844061);
INSERT INTO "rows" VALUES(2,X'7BC36754677DEC86C1878BCF64C369DA',1,2,2,X'8EF31DD591CE445787DB4A5C5CCC2FF0',4030097236);
INSERT INTO "rows" VALUES(3,X'1C727A6C2912D25F26FF3420FADFBB52',1,2,3,X'B3113E30CF364FEDBC51A0A00C6DD009',3859901609);
INSERT INTO "rows" VALUES(4,X'CC00201FCFB3F437258E5E4E9E2CA9AF',1,2,4,X'4134AE88A12C4D91BB107F8A0E2613E3',1733404807);
INSERT INTO "rows" VALUES(5,X'41572961622DEEFA487D134441483FD3',1,3,5,NULL,1587721082);
INSERT INTO "rows" VALUES(6,X'DDAC8C50C758E2DBBA36C55AA18B88C0',2,5,6,NULL,3699915640);
INSERT INTO "rows" VALUES(7,X'F3177FEA9A4C100F6648D61A3976467D',1,4,7,NULL,163565058);
INSERT INTO "rows" VALUES(8,X'20652BA1AEF3994E4E9157E75027BFC8',1,2,8,X'B0D523AF18FF42219889C7CD2AEC120E',3895379660);
INSERT INTO "rows" VALUES(9,X'5F93780931A1FB7977E6BDE8E682B97F',1,2,9,X'B58248A910FF4E0BA029B955FE34A3C9',922243590);
COMMIT;
