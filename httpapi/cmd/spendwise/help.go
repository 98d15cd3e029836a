package main

import "github.com/alecthomas/kong"

// helpTexts are the help texts that are too long for a struct tag. The tags refer to them by name.
var helpTexts = kong.Vars{
	"databaseHelp": "The database: sqlite:PATH, or a postgres:// DSN with one or several hosts. Default: an " +
		"SQLite file in the user's data directory.",
	"logHelp": "The format of the log on standard error: text, json, or auto (text on a terminal, else " +
		"json).",
	"restoreHelp": "Restore a user's ledger from a file written by export, or the whole SQLite database from " +
		"a backup.",
	"newEpochHelp": "Make every device sync from the start. Run it once after other tools restored the " +
		"database.",
	"listenHelp":  "The address to listen on; port 0 selects a free port.",
	"migrateHelp": "Migrate the database at start. Several instances may start at once.",
	"serveRatesHelp": "Exchange rates: ecb (embedded history and daily rates of the European Central Bank), " +
		"embedded (history only, no network), or off.",
	"registrationHelp": "Who may register: everyone (open) or nobody (closed: only spendwise user add creates " +
		"accounts).",
	"rateLimitsHelp": "Rate limits on requests and the throttle on sign-ins: on, or off (for load tests).",
	"metricsHelp": "The address of a separate listener for /metrics; port 0 selects a free port, off or an " +
		"empty value disables it.",
	"tickHelp": "The interval at which due recurring expenses are posted; 0 disables posting.",
	"rolesHelp": "The roles of this instance: api (serves ledgers), auth (serves accounts; the only role " +
		"with the private keys), ticker (posts due rules, fetches rates, purges old records). " +
		"Default: all.",
	"trustedProxiesHelp": "Networks such as 10.0.0.0/8, or addresses, of proxies whose X-Forwarded-For, " +
		"X-Forwarded-Proto and Forwarded fields are trusted. Default: none.",
	"corsOriginsHelp": "Origins such as https://app.example.org whose pages may call the API from a browser. " +
		"Default: none.",
	"keyRotationHelp": "The interval at which the key that signs access tokens is replaced, at least 20m; 0: " +
		"only spendwise keys rotate replaces it.",
	"localAccountsHelp": "Offer accounts with passwords. Without them, only the issuer's tokens are accepted.",
	"issuerHelp":        "The URL of an OpenID Connect provider whose access tokens are accepted.",
	"formatHelp": "What to write: ndjson (the whole ledger, for restore), csv (all expenses) or pdf (a " +
		"yearly report).",
	"restoreUserHelp": "The e-mail address of a user with an empty ledger, such as a new user. Default: restore " +
		"the whole database.",
	"restoreFileHelp": "With --user, a file of spendwise export --format ndjson; without it, a file of spendwise " +
		"backup.",
	"mappingHelp":    "A JSON file that maps the columns. What it does not give is detected.",
	"accountHelp":    "A label of the bank account or card. Equal rows of different accounts are different expenses.",
	"undoHelp":       "Remove what this import added, except expenses that were edited. Its id is printed at its end.",
	"importFileHelp": "The file: CSV, XLSX, OFX, QFX, QIF, MT940 or CAMT.",
	"answerHelp": "The number of a choice, from 1, for a question about the file, such as date_layout=2. " +
		"Default: ask on the terminal.",
	"ratesHelp": "Exchange rates: ecb or embedded (both: the embedded history and the rates in the " +
		"database; nothing is fetched), or off.",
	"keyEncryptionKeyHelp": "The key that encrypts the signing keys: 32 bytes in base64. Default: a file in the " +
		"user's data directory, created if missing.",
	"rotateHelp": "Publish the next key that signs access tokens. Servers sign with it after ten minutes; " +
		"all tokens stay valid.",
	"revokeHelp": "Revoke a key that may be compromised. Servers reject its tokens within 30 seconds; " +
		"clients refresh them.",
	"userAddHelp": "Add a user with a ledger. Prompts for the password, or reads it as a line of standard " +
		"input.",
	"passwdHelp": "Set a user's password and end all sessions. Prompts for the password, or reads it as a " +
		"line of standard input.",
}
