-- The checkpoint of a job that format 2 wrote: killed with four rows in doubt. ENDPOINT is put in by the tests.
PRAGMA application_id = 1651794792;
PRAGMA user_version = 2;
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
INSERT INTO "header" VALUES('job card','{"version": 1, "endpoint": "ENDPOINT", "workflow": "transcode", "static_inputs": "{}", "bucket": "videos", "manifest": "m.csv", "output": "m.csv.executions.jsonl", "format": "", "storage_classes": [], "keep_placeholders": false, "allow_duplicates": false, "cell_types": null, "project": "", "dialect": "obs-v2"}',3100360993);
INSERT INTO "header" VALUES('length of m.csv.executions.jsonl',2050,1602295653);
INSERT INTO "header" VALUES('output','m.csv.executions.jsonl',2861655675);
INSERT INTO "header" VALUES('rows rely on the default bucket',1,3075884202);
INSERT INTO "header" VALUES('the manifest was read to its end',0,2715756196);
CREATE TABLE intents (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,        -- POSIX seconds by the service's clock; no row of it was sent before
    rows TEXT NOT NULL,      -- the rows that were admitted together, as JSON; kept until the last of them is settled
    seal INTEGER NOT NULL
);
INSERT INTO "intents" VALUES(3,1.79598773711936569212e+09,'[[6,1,1,6,"fab4e0a49c6fcdfdc4c1b28b0c17966b","videos","clip 6",""]]',3906743417);
INSERT INTO "intents" VALUES(4,1.79598773721951103206e+09,'[[7,1,1,7,"500a01a46d629abe3533b09f1b5b4976","videos","clip 7",""]]',1940572330);
INSERT INTO "intents" VALUES(5,1.79598773731940484048e+09,'[[8,1,1,8,"3f055b3c7606148b7b33db6a50041cd6","videos","clip 8",""]]',894737943);
INSERT INTO "intents" VALUES(6,1.79598773741917109485e+09,'[[9,1,1,9,"a44e03206833767fdc95454523a3f5b1","videos","clip 9",""]]',3188312804);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY,  -- order of admission
    key BLOB NOT NULL,       -- content identity, 16 bytes; not indexed on purpose
    copy INTEGER NOT NULL,   -- 1, or which repetition of the same content
    state INTEGER NOT NULL,  -- model.NUMBERS
    number INTEGER NOT NULL, -- the row's number in the manifest when it was admitted
    execution,               -- name of the execution once started: BLOB for hexadecimal names, else TEXT
    seal INTEGER NOT NULL
);
INSERT INTO "rows" VALUES(1,X'04F422A518B143FBF3A16DE1187A7405',1,2,1,X'F5C07585FB224EF5B936214B6CCD45EB',4249806301);
INSERT INTO "rows" VALUES(2,X'6B753AEE60C5EECFF6E6782C3B38AC9C',1,2,2,X'79F3D7776BA04C5E9574AEAF79428054',517394221);
INSERT INTO "rows" VALUES(3,X'D94EA166CBA17CB64CD3B1971D3258B7',1,2,3,X'30C8F3121BFA45EE8D4926EBF1A61703',2736572885);
INSERT INTO "rows" VALUES(4,X'3D7CD7E4E15140C98CDFAB260E44B39A',1,2,4,X'286CD5377C364C9AA4E78B6F34873792',2550801185);
INSERT INTO "rows" VALUES(5,X'162D0316E1AC632F716C4CBE9229F6EC',1,2,5,X'DC7E520D3FD5433D810128E7A060E2D2',717441524);
COMMIT;
