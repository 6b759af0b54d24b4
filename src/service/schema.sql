-- Times are Unix milliseconds unless the name ends in _s or _day (civil days since 1970-01-01).
CREATE TABLE IF NOT EXISTS tokens (
    hash BLOB PRIMARY KEY, role INTEGER NOT NULL, subject BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS agencies (
    id BLOB PRIMARY KEY, name TEXT NOT NULL, key BLOB UNIQUE, key_thumb BLOB UNIQUE,
    is_hosted INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- What an agency's own process is asked to sign, and what it gave back; the newest of each thing.
-- kind: enum dw_signing of agencies/signing.h; subject: home, job or visitor.
CREATE TABLE IF NOT EXISTS signing (
    agency BLOB NOT NULL REFERENCES agencies, kind INTEGER NOT NULL, subject BLOB NOT NULL,
    id BLOB NOT NULL UNIQUE, payload BLOB NOT NULL, object BLOB, created INTEGER NOT NULL,
    signed INTEGER, PRIMARY KEY (agency, kind, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS signing_waiting ON signing (agency, id) WHERE object IS NULL;
CREATE TABLE IF NOT EXISTS visitors (
    id BLOB PRIMARY KEY, agency BLOB NOT NULL REFERENCES agencies, name TEXT NOT NULL,
    is_active INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS visitors_agency ON visitors (agency, id);
CREATE TABLE IF NOT EXISTS screenings (
    id BLOB PRIMARY KEY, visitor BLOB NOT NULL REFERENCES visitors, issuer TEXT NOT NULL,
    kind TEXT NOT NULL, from_day INTEGER NOT NULL, to_day INTEGER NOT NULL, created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS screenings_visitor ON screenings (visitor, to_day);
-- A home waits for its hub until hub_pub is set. pairing: name of the code; pairing_key: what its
-- proofs are made with, kept for a hub that did not get its answer [crypto/pairing.h].
CREATE TABLE IF NOT EXISTS homes (
    id BLOB PRIMARY KEY, name TEXT NOT NULL, pairing BLOB NOT NULL UNIQUE,
    pairing_key BLOB NOT NULL, hub_pub BLOB, hub_thumb BLOB,
    hub_id TEXT UNIQUE, zone TEXT, latitude REAL, longitude REAL, heard INTEGER,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS doors (
    home BLOB NOT NULL REFERENCES homes, door INTEGER NOT NULL, name TEXT NOT NULL,
    code TEXT NOT NULL, PRIMARY KEY (home, door)
) STRICT, WITHOUT ROWID;
-- Hubs that asked before anybody typed their pairing code; a bounded number, newest kept. Whoever
-- hears a hub can ask under the same name, so that a name has several.
CREATE TABLE IF NOT EXISTS enrolments (
    pairing BLOB NOT NULL, hub_pub BLOB NOT NULL, message BLOB NOT NULL, asked INTEGER NOT NULL,
    PRIMARY KEY (pairing, hub_pub)
) STRICT, WITHOUT ROWID;
-- What the household signed, as its hub told it. A grant that was revoked before it was heard of
-- has no bytes. bytes: the grant itself; object: the hub's word with the owner's signature in it.
CREATE TABLE IF NOT EXISTS grants (
    home BLOB NOT NULL REFERENCES homes, id BLOB NOT NULL, agency BLOB REFERENCES agencies,
    bytes BLOB, object BLOB, exp_s INTEGER NOT NULL DEFAULT 0, heard INTEGER NOT NULL,
    revoked INTEGER, PRIMARY KEY (home, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS grants_agency ON grants (agency, home, heard);
-- Agencies that the household stopped at once, whatever it granted them.
CREATE TABLE IF NOT EXISTS stopped (
    home BLOB NOT NULL REFERENCES homes, agency BLOB NOT NULL REFERENCES agencies,
    changed INTEGER NOT NULL, PRIMARY KEY (home, agency)
) STRICT, WITHOUT ROWID;
-- is_over: the household answered. sends: of the day that began at sends_from.
CREATE TABLE IF NOT EXISTS introductions (
    home BLOB NOT NULL REFERENCES homes, agency BLOB NOT NULL REFERENCES agencies,
    is_over INTEGER NOT NULL DEFAULT 0, sends INTEGER NOT NULL DEFAULT 0,
    sends_from INTEGER NOT NULL DEFAULT 0, asked INTEGER NOT NULL, PRIMARY KEY (home, agency)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    id BLOB PRIMARY KEY, home BLOB NOT NULL REFERENCES homes,
    agency BLOB NOT NULL REFERENCES agencies, kind INTEGER NOT NULL, door INTEGER NOT NULL,
    day INTEGER NOT NULL, from_min INTEGER NOT NULL, to_min INTEGER NOT NULL,
    nbf_s INTEGER NOT NULL, exp_s INTEGER NOT NULL, notes TEXT NOT NULL, places TEXT NOT NULL,
    visitor BLOB REFERENCES visitors, revision INTEGER NOT NULL, is_recalled INTEGER NOT NULL,
    is_at_hub INTEGER NOT NULL, salt BLOB NOT NULL, grant_id BLOB, created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS jobs_agency ON jobs (agency, id);
CREATE INDEX IF NOT EXISTS jobs_visitor ON jobs (visitor, id);
CREATE INDEX IF NOT EXISTS jobs_grant ON jobs (grant_id);
CREATE INDEX IF NOT EXISTS jobs_home ON jobs (home, exp_s);
CREATE INDEX IF NOT EXISTS jobs_end ON jobs (exp_s, id);
CREATE TABLE IF NOT EXISTS parcels (
    job BLOB NOT NULL REFERENCES jobs, number INTEGER NOT NULL, barcode TEXT NOT NULL,
    used_by INTEGER, PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parcels_barcode ON parcels (barcode);
-- offer: the hub's signed OFFER; manifest: the job's signed object when it was asked; door_code:
-- SHA-256 of the code that was scanned; stop: evidence of the visitor's passkey.
-- `story` grows with every change: what a long poll waits for. outcome 0: not over.
CREATE TABLE IF NOT EXISTS visits (
    id INTEGER PRIMARY KEY, job BLOB NOT NULL, home BLOB, agency BLOB NOT NULL,
    visitor BLOB NOT NULL, door INTEGER NOT NULL, barcode TEXT NOT NULL,
    courier_nonce BLOB NOT NULL, hub_nonce BLOB, passed INTEGER NOT NULL,
    state INTEGER NOT NULL, check_failed INTEGER NOT NULL, outcome INTEGER NOT NULL,
    alarms INTEGER NOT NULL DEFAULT 0, story INTEGER NOT NULL, news_seen INTEGER NOT NULL DEFAULT 0,
    asked INTEGER NOT NULL, ready_until INTEGER, slid INTEGER,
    gap_ms INTEGER, opened_lo INTEGER, opened_hi INTEGER, secured_lo INTEGER, secured_hi INTEGER,
    inside_ms INTEGER, evidence INTEGER, leaf INTEGER, is_confirmed_later INTEGER,
    offer BLOB, manifest BLOB, door_code BLOB, stop BLOB
) STRICT;
CREATE INDEX IF NOT EXISTS visits_visitor ON visits (visitor, id);
CREATE INDEX IF NOT EXISTS visits_agency ON visits (agency, id);
CREATE INDEX IF NOT EXISTS visits_home ON visits (home, id);
CREATE INDEX IF NOT EXISTS visits_visitor_asked ON visits (visitor, asked);
CREATE INDEX IF NOT EXISTS visits_agency_asked ON visits (agency, asked);
CREATE INDEX IF NOT EXISTS visits_home_asked ON visits (home, asked);
CREATE INDEX IF NOT EXISTS visits_waiting ON visits (state) WHERE outcome = 0;
CREATE INDEX IF NOT EXISTS visits_told ON visits (asked) WHERE story > 0;
CREATE TABLE IF NOT EXISTS story (
    visit INTEGER NOT NULL, number INTEGER NOT NULL, hub_number INTEGER NOT NULL,
    state INTEGER NOT NULL, outcome INTEGER NOT NULL, check_failed INTEGER NOT NULL,
    alarms INTEGER NOT NULL, at_lo INTEGER NOT NULL, at_hi INTEGER NOT NULL,
    PRIMARY KEY (visit, number)
) STRICT, WITHOUT ROWID;
-- Answers given under an Idempotency-Key. Tokens are not kept: they are derived again.
CREATE TABLE IF NOT EXISTS answers (
    actor BLOB NOT NULL, key TEXT NOT NULL, request BLOB NOT NULL, status INTEGER NOT NULL,
    body TEXT NOT NULL, token_role INTEGER NOT NULL, token_subject BLOB, created INTEGER NOT NULL,
    PRIMARY KEY (actor, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_created ON answers (created);

-- People of an agency. What they may do is what the agency may.
CREATE TABLE IF NOT EXISTS staff (
    id BLOB PRIMARY KEY, agency BLOB NOT NULL REFERENCES agencies, name TEXT NOT NULL,
    is_active INTEGER NOT NULL DEFAULT 1, created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS staff_agency ON staff (agency, id);
-- role: of api.h; subject: visitor or member of staff. id is the credential's.
CREATE TABLE IF NOT EXISTS passkeys (
    id BLOB PRIMARY KEY, role INTEGER NOT NULL, subject BLOB NOT NULL, alg INTEGER NOT NULL,
    pub BLOB NOT NULL, label TEXT NOT NULL, sign_count INTEGER NOT NULL,
    is_synced INTEGER NOT NULL, added INTEGER NOT NULL, used INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS passkeys_subject ON passkeys (subject);
-- The link's token is derived from the id, as tokens are; its hash is kept. The challenge is the
-- one that its holder was given last.
CREATE TABLE IF NOT EXISTS invitations (
    id BLOB PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role INTEGER NOT NULL, subject BLOB NOT NULL,
    challenge BLOB UNIQUE, challenge_until INTEGER, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS invitations_subject ON invitations (subject);
-- prev_hash: the token before the last rotation. It counts until somebody has shown that the new
-- one arrived (is_seen), and then until prev_until.
CREATE TABLE IF NOT EXISTS sessions (
    id BLOB PRIMARY KEY, hash BLOB NOT NULL UNIQUE, prev_hash BLOB, prev_until INTEGER,
    role INTEGER NOT NULL, subject BLOB NOT NULL, created INTEGER NOT NULL, used INTEGER NOT NULL,
    rotated INTEGER NOT NULL, is_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sessions_prev ON sessions (prev_hash);
CREATE INDEX IF NOT EXISTS sessions_subject ON sessions (subject, created);
-- Challenges for signing in that have served: they do not serve again.
CREATE TABLE IF NOT EXISTS challenges (
    challenge BLOB PRIMARY KEY, until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- The last of a household's wishes that was applied to a thing; an older one that comes late
-- changes nothing. aspect: enum aspect of jobs/wishes.c.
CREATE TABLE IF NOT EXISTS wish_marks (
    home BLOB NOT NULL REFERENCES homes, aspect INTEGER NOT NULL, thing BLOB NOT NULL,
    number INTEGER NOT NULL, PRIMARY KEY (home, aspect, thing)
) STRICT, WITHOUT ROWID;
-- wished: enum dw_wish_kind, 0: nothing. place: '' nothing.
CREATE TABLE IF NOT EXISTS job_wishes (
    job BLOB PRIMARY KEY REFERENCES jobs, wished INTEGER NOT NULL DEFAULT 0,
    place TEXT NOT NULL DEFAULT '', day INTEGER, from_min INTEGER, to_min INTEGER
) STRICT, WITHOUT ROWID;
-- job: zeroes when it is for every visit.
CREATE TABLE IF NOT EXISTS house_notes (
    home BLOB NOT NULL REFERENCES homes, job BLOB NOT NULL, kind INTEGER NOT NULL,
    text TEXT NOT NULL, until_day INTEGER NOT NULL, PRIMARY KEY (home, job, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS house_notes_until ON house_notes (until_day);
-- The hub's own bytes: COSE_Sign1 of a receipt.
CREATE TABLE IF NOT EXISTS receipts (
    visit INTEGER PRIMARY KEY, bytes BLOB NOT NULL
) STRICT;
-- The courier has scanned the sticker of the right door.
CREATE TABLE IF NOT EXISTS door_scans (visit INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT;
-- Every change, and who made it. actor: id of an agency, a visitor, a member of staff or a home;
-- NULL: the admin. object: what the address names or the answer made.
CREATE TABLE IF NOT EXISTS audit (
    id BLOB PRIMARY KEY, at INTEGER NOT NULL, role TEXT NOT NULL, actor BLOB, route TEXT NOT NULL,
    object TEXT NOT NULL
) STRICT, WITHOUT ROWID;
