package httpapi

import (
	"net/http"
	"reflect"

	"github.com/spendwise/spendwise/export/wire"
)

// An operation says what a route is for, what it takes and what it gives. What follows from the routing table is not
// said again.
type operation struct {
	id       string       // what generated clients call it
	summary  string       // a line
	about    string       // what else there is to know
	takes    reflect.Type // the body, as JSON; nil: none
	gives    []success
	tagged   bool     // its answers carry the resource's ETag; a GET honours If-None-Match
	guarded  bool     // honours If-Match
	header   []string // further headers that it reads
	problems []string // the codes that it has beyond those that follow from its kind
}

// A success is one way to answer that it was done.
type success struct {
	status int
	about  string
	media  string       // of the body; "": none
	body   reflect.Type // of JSON; nil: a text or a file
	header []string     // beside those that every answer has
}

func answers[T any](status int, about string, header ...string) success {
	return success{status: status, about: about, media: mediaJSON, body: reflect.TypeFor[T](), header: header}
}

// says answers with a T, makes with a T that is new.
func says[T any](about string) []success { return []success{answers[T](http.StatusOK, about)} }

func makes[T any]() []success {
	return []success{
		answers[T](http.StatusCreated, "It is made.", "Location"),
		answers[T](http.StatusOK, "It was there already with the same content; nothing changed."),
	}
}

// nothing answers that there is nothing to say.
func nothing(about string) []success { return []success{{status: http.StatusNoContent, about: about}} }

// file answers with a file.
func file(media, about string, header ...string) []success {
	return []success{{status: http.StatusOK, about: about, media: media, header: header}}
}

// keySet is what GET /.well-known/jwks.json answers with, as far as it tells of keys such as ours.
type keySet struct {
	Keys []key `json:"keys"`
}

type key struct {
	Kty string `json:"kty"`
	Kid string `json:"kid"`
	Alg string `json:"alg"`
	Use string `json:"use"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y,omitzero"`
}

// operations says of every row of the routing table what it is for. TestContract_HasEveryRoute says which row is
// missing.
var operations = map[string]operation{
	"GET /healthz": {id: "getHealth", summary: "Is the process alive?", gives: says[healthBody]("It serves.")},
	"GET /readyz": {
		id: "getReadiness", summary: "Can the process do its work?",
		about: "The store answers, and its schema is the one that this release needs.",
		gives: says[readyBody]("It can."),
	},
	"GET /problems/{code}": {
		id: "explainProblem", summary: "What does a problem mean?", about: "The `type` of each problem leads here.",
		gives: file("text/plain; charset=utf-8", "What it means, and what to do."),
	},
	"GET /openapi.json": {
		id: "getContract", summary: "This document", header: []string{"If-None-Match"},
		gives: []success{
			{status: http.StatusOK, about: "What this server serves, as OpenAPI 3.1.", media: mediaJSON,
				header: []string{"ETag"}},
			{status: http.StatusNotModified, about: "The client has it already.", header: []string{"ETag"}},
		},
	},
	"GET /": {
		id: "readWelcome", summary: "Where to begin",
		gives: []success{{status: http.StatusTemporaryRedirect, about: "What is to be read by people is at /docs.",
			header: []string{"Location"}}},
	},
	"GET /docs": {
		id: "readContract", summary: "This document, to be read by people", header: []string{"If-None-Match"},
		gives: []success{
			{status: http.StatusOK, about: "A page without scripts.", media: "text/html; charset=utf-8",
				header: []string{"ETag"}},
			{status: http.StatusNotModified, about: "The client has it already.", header: []string{"ETag"}},
		},
	},

	"GET /v1/settings": {id: "getSettings", summary: "Read the settings", gives: says[wire.Settings]("The settings."),
		tagged: true},
	"PATCH /v1/settings": {
		id: "changeSettings", summary: "Change the settings",
		about: "A new home currency converts all expenses anew, and the limits of budgets with them; `rerated` " +
			"says how many.",
		takes: reflect.TypeFor[wire.SettingsPatch](), gives: says[wire.Settings]("The settings as they are now."),
		tagged: true, guarded: true,
	},

	"POST /v1/categories": {
		id: "addCategory", summary: "Add a category", takes: reflect.TypeFor[wire.CategoryInput](),
		gives: makes[wire.Category](), tagged: true,
		problems: []string{codeAlreadyExists, codeGone},
	},
	"GET /v1/categories": {id: "listCategories", summary: "List the categories", about: "In the order of their names.",
		gives: says[page[wire.Category]]("A page of them.")},
	"GET /v1/categories/{id}": {id: "getCategory", summary: "Read a category", gives: says[wire.Category]("The category."),
		tagged: true},
	"PATCH /v1/categories/{id}": {
		id: "changeCategory", summary: "Change a category", takes: reflect.TypeFor[wire.CategoryPatch](),
		gives:  says[wire.Category]("The category as it is now."),
		tagged: true, guarded: true, problems: []string{codeAlreadyExists},
	},
	"DELETE /v1/categories/{id}": {
		id: "deleteCategory", summary: "Delete a category",
		about: "One that is in use cannot be deleted: archive it, or merge it into another one.",
		gives: nothing("It is deleted, or was before."), guarded: true, problems: []string{codeConflict},
	},
	"POST /v1/categories/{id}/merge": {
		id: "mergeCategory", summary: "Merge a category into another one",
		about: "Its expenses and recurring expenses move, its budget ends, and it is deleted.",
		takes: reflect.TypeFor[mergeInput](), gives: says[mergeBody]("What moved."),
	},

	"POST /v1/expenses": {
		id: "addExpense", summary: "Add an expense", takes: reflect.TypeFor[wire.ExpenseInput](),
		gives: makes[wire.Expense](), tagged: true,
		problems: []string{codeAlreadyExists, codeGone},
	},
	"GET /v1/expenses": {
		id: "listExpenses", summary: "List expenses",
		about: "All filters hold together. The newest come first unless `sort` says otherwise.",
		gives: says[page[wire.Expense]]("A page of them."),
	},
	"GET /v1/expenses/{id}": {id: "getExpense", summary: "Read an expense", gives: says[wire.Expense]("The expense."),
		tagged: true},
	"PUT /v1/expenses/{id}": {
		id: "putExpense", summary: "Make or replace an expense under an id of one's own",
		about: "The way to add an expense that can be repeated. One that is there with other content takes If-Match.",
		takes: reflect.TypeFor[wire.ExpenseInput](), gives: makes[wire.Expense](), tagged: true, guarded: true,
		header:   []string{"If-None-Match"},
		problems: []string{codeGone, codeAlreadyExists, codePreconditionRequired},
	},
	"PATCH /v1/expenses/{id}": {
		id: "changeExpense", summary: "Change an expense", takes: reflect.TypeFor[wire.ExpensePatch](),
		gives:  says[wire.Expense]("The expense as it is now."),
		tagged: true, guarded: true,
	},
	"DELETE /v1/expenses/{id}": {id: "deleteExpense", summary: "Delete an expense",
		gives: nothing("It is deleted, or was before."), guarded: true},

	"POST /v1/budgets": {
		id: "addBudget", summary: "Add a budget", about: "A category has one budget at most, and so has the whole ledger.",
		takes: reflect.TypeFor[wire.BudgetInput](), gives: makes[wire.Budget](), tagged: true,
		problems: []string{codeAlreadyExists, codeGone},
	},
	"GET /v1/budgets": {id: "listBudgets", summary: "List the budgets", gives: says[page[wire.Budget]]("A page of them.")},
	"GET /v1/budgets/progress": {
		id: "getProgress", summary: "How far are the budgets of a month used up?",
		gives: says[wire.Progress]("An entry for each budget in force, and the total."),
	},
	"GET /v1/budgets/history": {id: "getHistory", summary: "The progress of several months",
		gives: says[historyBody]("The months.")},
	"GET /v1/budgets/alerts": {
		id: "listAlerts", summary: "List the alerts", about: "The latest month comes first, then the latest raised.",
		gives: says[page[wire.Alert]]("A page of them."),
	},
	"POST /v1/budgets/alerts/{id}/read": {
		id: "readAlert", summary: "Mark an alert as read", about: "Marking it again changes nothing.",
		gives: says[wire.Alert]("The alert."), tagged: true,
	},
	"GET /v1/budgets/{id}": {id: "getBudget", summary: "Read a budget", gives: says[wire.Budget]("The budget."),
		tagged: true},
	"PATCH /v1/budgets/{id}": {
		id: "changeBudget", summary: "Change a budget",
		about: "An amount holds from `from_month` on; the months before it stay as they were.",
		takes: reflect.TypeFor[wire.BudgetPatch](), gives: says[wire.Budget]("The budget as it is now."), tagged: true,
		guarded: true,
	},
	"DELETE /v1/budgets/{id}": {id: "deleteBudget", summary: "Delete a budget",
		gives: nothing("It is deleted, or was before."), guarded: true},

	"POST /v1/recurrences": {
		id: "addRule", summary: "Add a recurring expense", takes: reflect.TypeFor[wire.RuleInput](),
		gives: makes[wire.Rule](), tagged: true,
		problems: []string{codeAlreadyExists, codeGone},
	},
	"GET /v1/recurrences": {id: "listRules", summary: "List the recurring expenses",
		gives: says[page[wire.Rule]]("A page of them.")},
	"GET /v1/recurrences/{id}": {id: "getRule", summary: "Read a recurring expense",
		gives: says[wire.Rule]("The recurring expense."), tagged: true},
	"PATCH /v1/recurrences/{id}": {
		id: "changeRule", summary: "Change a recurring expense",
		about: "With `from_date` it is split: the old one ends before that day, and the answer is the new one.",
		takes: reflect.TypeFor[wire.RulePatch](), tagged: true, guarded: true,
		gives: append(says[wire.Rule]("The recurring expense as it is now."),
			answers[wire.Rule](http.StatusCreated, "The new one that begins on `from_date`.", "Location")),
	},
	"DELETE /v1/recurrences/{id}": {
		id: "deleteRule", summary: "Delete a recurring expense", about: "What it has posted stays.",
		gives: nothing("It is deleted, or was before."), guarded: true,
	},
	"GET /v1/recurrences/{id}/preview": {id: "previewRule", summary: "What is to come of a recurring expense",
		gives: says[previewBody]("The next occurrences.")},
	"POST /v1/recurrences/{id}/skip": {
		id: "skipRule", summary: "Leave out one occurrence", takes: reflect.TypeFor[skipInput](),
		gives:  says[wire.Rule]("The recurring expense as it is now."),
		tagged: true, guarded: true,
	},

	"GET /v1/reports/monthly": {id: "getMonthlyReport", summary: "What was spent in a month",
		gives: says[wire.Monthly]("The report.")},
	"GET /v1/reports/yearly": {id: "getYearlyReport", summary: "What was spent in a year",
		gives: says[wire.Yearly]("The report.")},
	"GET /v1/reports/range": {id: "getRangeReport", summary: "What was spent between two days",
		gives: says[wire.Summary]("The report.")},
	"GET /v1/reports/trend": {id: "getTrend", summary: "What was spent step by step",
		gives: says[wire.Trend]("The line, without gaps.")},
	"GET /v1/reports/monthly.svg": {id: "drawMonthlyReport", summary: "What was spent in a month, as a picture",
		gives: picture()},
	"GET /v1/reports/yearly.svg": {id: "drawYearlyReport", summary: "What was spent in a year, as a picture",
		gives: picture()},
	"GET /v1/reports/range.svg": {id: "drawRangeReport", summary: "What was spent between two days, as a picture",
		gives: picture()},
	"GET /v1/reports/trend.svg": {id: "drawTrend", summary: "What was spent step by step, as a picture",
		gives: picture()},

	"GET /v1/sync": {
		id: "pullChanges", summary: "Fetch what changed",
		about: "Rows come in their latest state, in the order of their versions. A client stores rows and cursor " +
			"together. On 410 it keeps its unsent changes, fetches everything without a cursor, drops rows that " +
			"did not come, and sends its changes again.",
		gives: says[syncPage]("A part of the changes."), problems: []string{codeCursorExpired},
	},
	"POST /v1/sync": {
		id: "pushChanges", summary: "Send what a device changed",
		about: "At most 100 changes, applied in their order, each whole or not at all. A change that is refused does not " +
			"hold up the others.",
		takes: reflect.TypeFor[pushInput](), gives: says[pushBody]("What became of each."),
		problems: []string{codeCursorExpired, codeCursorInvalid},
	},
	"GET /v1/sync/digest": {
		id: "getDigest", summary: "What a device should hold",
		about: "To notice where a device and the server have come apart.", gives: says[digestBody]("Counts and hashes."),
	},
	"GET /v1/sync/events": {
		id: "listenForChanges", summary: "Be told when there is something to fetch",
		about: "Server-sent events: `changed`, whose id and data are the cursor that a pull would end with. It is a hint, " +
			"never data. " +
			"A user has at most five streams open.",
		header: []string{"Last-Event-ID"}, gives: file("text/event-stream", "A stream that stays open.", "X-Accel-Buffering"),
	},

	"GET /v1/rates": {
		id: "getRate", summary: "Read an exchange rate",
		about: "The one that an expense of that day would be converted with.",
		gives: says[rateBody]("The rate."), problems: []string{codeNotFound},
	},

	"GET /v1/exports/expenses.csv": {
		id: "exportCSV", summary: "Export expenses as CSV", about: "What the list's filters choose, oldest first.",
		gives: file("text/csv; charset=utf-8; header=present", "The file.", "Content-Disposition"),
	},
	"GET /v1/exports/expenses.ndjson": {
		id: "exportNDJSON", summary: "Export expenses as JSON, one a line",
		about: "What the list's filters choose, oldest first.",
		gives: file(mediaNDJSON, "The file.", "Content-Disposition"),
	},
	"GET /v1/exports/ledger.ndjson": {
		id: "exportLedger", summary: "Export the whole ledger", about: "A backup that `spendwise restore` reads.",
		gives: file(mediaNDJSON, "The file.", "Content-Disposition"),
	},
	"GET /v1/exports/report.pdf": {
		id: "exportReport", summary: "Export a report as PDF",
		about: "Of a fiscal year, or of the days from `date_from` to `date_to`.",
		gives: file("application/pdf", "The file.", "Content-Disposition"),
	},
	"GET /v1/imports/presets": {id: "listPresets", summary: "List the mappings that the server has",
		gives: says[page[presetBody]]("All of them.")},
	"POST /v1/imports/expenses": {
		id: "importExpenses", summary: "Import expenses from a CSV file",
		about: "The part `mapping` comes first and says how the lines become expenses; the part `file` follows, of at " +
			"most 32 MiB. The same " +
			"file imported again adds nothing twice.",
		takes: reflect.TypeFor[importInput](), gives: says[importBody]("What became of the lines."),
	},

	"POST /v1/auth/register": {
		id: "register", summary: "Make an account, and sign in", takes: reflect.TypeFor[registerInput](),
		gives:    []success{answers[sessionBody](http.StatusCreated, "The account is made.", "Location")},
		problems: []string{codeAlreadyExists, codeForbidden},
	},
	"POST /v1/auth/login": {
		id: "login", summary: "Sign in", about: "After five failures a sign-in has to wait, longer and longer; the answer " +
			"does not tell.",
		takes: reflect.TypeFor[loginInput](), gives: says[sessionBody]("Signed in."), problems: []string{codeUnauthenticated},
	},
	"POST /v1/auth/refresh": {
		id: "refresh", summary: "Exchange a refresh token for new tokens",
		about: "Each is good for one exchange; one that is used again later ends the session.",
		takes: reflect.TypeFor[refreshInput](), gives: says[sessionBody]("The new tokens."),
		problems: []string{codeUnauthenticated},
	},
	"POST /v1/auth/logout": {id: "logout", summary: "Sign out",
		about: "The session that the access token belongs to ends.", gives: nothing("Signed out.")},
	"GET /.well-known/jwks.json": {
		id: "getKeys", summary: "The public keys of access tokens",
		gives: []success{
			{status: http.StatusOK, about: "The keys.", media: "application/jwk-set+json", body: reflect.TypeFor[keySet]()}},
	},
	"GET /v1/me": {id: "getMe", summary: "Read the account", gives: says[userBody]("The account."),
		problems: []string{codeNotFound}},
	"PATCH /v1/me": {
		id: "changeMe", summary: "Change the account's e-mail address", takes: reflect.TypeFor[mePatch](),
		gives:    says[userBody]("The account as it is now."),
		problems: []string{codeAlreadyExists},
	},
	"PUT /v1/me/password": {
		id: "changePassword", summary: "Change the password", about: "All other devices are signed out.",
		takes: reflect.TypeFor[passwordInput](), gives: nothing("It is changed."),
	},
	"POST /v1/me/erase": {
		id: "eraseMe", summary: "Erase the account", about: "With all that it owns, for good.",
		takes: reflect.TypeFor[eraseInput](), gives: nothing("It is erased."),
	},
	"GET /v1/devices": {id: "listDevices", summary: "List the sessions",
		gives: says[page[deviceBody]]("All that live.")},
	"DELETE /v1/devices/{id}": {id: "endDevice", summary: "End a session", gives: nothing("It has ended.")},
	"POST /v1/tokens": {
		id: "addToken", summary: "Make a personal access token", about: "For scripts. The secret is shown once.",
		takes: reflect.TypeFor[tokenInput](),
		gives: []success{answers[tokenBody](http.StatusCreated, "It is made.", "Location")},
	},
	"GET /v1/tokens": {id: "listTokens", summary: "List the personal access tokens",
		gives: says[page[tokenBody]]("All of them.")},
	"DELETE /v1/tokens/{id}": {id: "deleteToken", summary: "Delete a personal access token",
		gives: nothing("It is of no use any more.")},
}

func picture() []success {
	return file("image/svg+xml", "An SVG picture that loads nothing.")
}

// sections are the parts of the contract, by what the paths in them begin with; the first that fits counts.
var sections = []struct{ name, about, paths string }{
	{"Expenses", "What was spent.", "/v1/expenses"},
	{"Categories", "What expenses are sorted by.", "/v1/categories"},
	{"Budgets", "Limits for a month, how far they are used up, and alerts.", "/v1/budgets"},
	{"Recurring expenses", "Rules that are posted as they fall due.", "/v1/recurrences"},
	{"Reports", "Summaries by month, year, any days, and step by step.", "/v1/reports"},
	{"Settings", "The ledger's home currency, time zone and locale.", "/v1/settings"},
	{"Rates", "Exchange rates.", "/v1/rates"},
	{"Exports", "Files out.", "/v1/exports"},
	{"Imports", "Files in.", "/v1/imports"},
	{"Sync", "One ledger, many devices.", "/v1/sync"},
	{"Signing in", "Local accounts and their tokens.", "/v1/auth"},
	{"Account", "The local account.", "/v1/me"},
	{"Devices", "The sessions of an account.", "/v1/devices"},
	{"Tokens", "Personal access tokens, for scripts.", "/v1/tokens"},
	{"Server", "Health, keys, and this document.", "/"},
}
