package httpapi

import (
	"cmp"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/auth"
	"github.com/spendwise/spendwise/recurrence"
	"github.com/spendwise/spendwise/report"
	"github.com/spendwise/spendwise/store/replica"
)

// A word says what a member, a parameter or a header means, and what beyond its Go type it may be.
type word struct {
	about   string
	example any
	format  string // of a text, or of each text in a list
	pattern string
	enum    []string
	least   int     // the smallest number
	most    int     // the largest number, the most characters, or the most entries; 0: no limit of its own
	of      *schema // in the place of what reflection finds
	without any     // what holds where it is not given
	must    bool    // it must be given, which its Go type does not say
}

// The forms of texts.
const (
	decimalText  = `^-?[0-9]+(\.[0-9]+)?$`
	positiveText = `^[0-9]+(\.[0-9]+)?$`
	monthText    = `^[0-9]{4}-(0[1-9]|1[0-2])$`
	currencyText = `^[A-Za-z]{3}$`
	colourText   = `^(#[0-9A-Fa-f]{6})?$`
	iconText     = `^[A-Za-z0-9_-]{0,40}$`
	tokenText    = `^[A-Za-z0-9._:-]{1,255}$`
)

// Examples that several words share.
const (
	anExpenseID = "0198c5f0-7a1e-7c3b-9d52-4f1e2a6b8c01"
	aCategoryID = "0198c5f0-7a1e-7c3b-9d52-4f1e2a6b8c02"
	aBudgetID   = "0198c5f0-7a1e-7c3b-9d52-4f1e2a6b8c03"
	aRuleID     = "0198c5f0-7a1e-7c3b-9d52-4f1e2a6b8c04"
	anInstant   = "2026-03-08T12:00:00Z"
	aCursor     = "kPB3dXt2c0gZmx1bmNo"
)

// wordOf returns the word for a member of a schema: its own, or the one that the name has everywhere.
func wordOf(schema, member string) word {
	if own, ok := words[schema+"."+member]; ok {
		return own
	}
	return words[member]
}

// dress adds what the word says to a schema.
func (w word) dress(s *schema) *schema {
	if w.of != nil {
		own := *w.of
		s = &own
	}
	text := s
	for text.Items != nil {
		text = text.Items
	}
	text.Format, text.Pattern = cmp.Or(w.format, text.Format), cmp.Or(w.pattern, text.Pattern)
	for _, value := range w.enum {
		text.Enum = append(text.Enum, value)
	}
	if w.least != 0 {
		s.Minimum = &w.least
	}
	switch {
	case w.most == 0 || len(s.Type) == 0:
	case s.Type[0] == "array":
		s.MaxItems = &w.most
	case s.Type[0] == "string":
		s.MaxLength = &w.most
	default:
		s.Maximum = &w.most
	}
	s.Description, s.Default = w.about, w.without
	if w.example != nil {
		s.Examples = []any{w.example}
	}
	return s
}

// words are what the members of bodies mean: "amount" wherever a member has that name, "Schema.amount" in one schema,
// and "Schema" the schema itself.
var words = map[string]word{
	// What members of one name mean everywhere.
	"id": {about: "The resource's id. A client may choose it when it makes the resource; a UUID of version 7 " +
		"is advised.", format: "uuid", example: anExpenseID},
	"version":    {about: "The version of the ledger in which the resource last changed; also its ETag.", example: 12},
	"created_at": {about: "When it was made, in UTC.", example: anInstant},
	"updated_at": {about: "When it last changed, in UTC.", example: anInstant},
	"amount": {about: "An amount as a decimal number in a text, never a JSON number; in answers with all digits " +
		"of its currency. Negative: money that came back.", pattern: decimalText, most: 32, example: "12.50"},
	"currency":    {about: "The ISO 4217 code of the amount's currency.", pattern: currencyText, example: "EUR"},
	"date":        {about: "The day, as YYYY-MM-DD in the ledger's time zone.", format: "date", example: "2026-03-08"},
	"month":       {about: "The month, as YYYY-MM.", pattern: monthText, example: "2026-03"},
	"category_id": {about: "The id of the category.", format: "uuid", example: aCategoryID},
	"notes": {about: "Free text. Line breaks and tabs are the only control characters.",
		most: expense.MaxNotesLength, example: "Lunch with Ada"},
	"rule_id": {about: "The id of the recurring expense that this comes from; null: of none.", format: "uuid",
		example: aRuleID},
	"count": {about: "How many expenses there are, those that wait for a rate included.", example: 4},
	"complete": {about: "Whether every amount is converted: false where `pending` lists what the figures leave out.",
		example: true},
	"pending": {about: "What waits for an exchange rate and is in no sum, by currency."},
	"name":    {about: "What it is called.", example: "Food"},
	"title":   {about: "The period as the ledger's locale writes it.", example: "March 2026"},
	"total":   {about: "What was spent, in the home currency.", pattern: decimalText, example: "323.00"},
	"home_amount": {about: "The amount in the home currency; null while it waits for a rate.", pattern: decimalText,
		example: "8.00"},
	"date_from": {about: "The first day, inclusive.", format: "date", example: "2026-03-01"},
	"date_to":   {about: "The last day, inclusive.", format: "date", example: "2026-03-31"},
	"data":      {about: "The entries."},
	"next_cursor": {about: "The cursor of the next page; null: this is the last one. `Link` says the same.",
		example: aCursor},
	"code":        {about: "What is wrong, for programs: stable, in snake_case.", example: "validation_error"},
	"detail":      {about: "What is wrong, for people.", example: "1 value breaks a rule."},
	"budget_id":   {about: "The id of the budget.", format: "uuid", example: aBudgetID},
	"email":       {about: "The account's e-mail address.", format: "email", example: "ada@example.org"},
	"password":    {about: "The account's password.", example: "eleven green geese humming"},
	"device_name": {about: "What to call this session in the list of devices.", most: 100, example: "Ada's phone"},
	"device_id":   {about: "The id of this session in the list of devices.", format: "uuid", example: anExpenseID},

	// Expenses.
	"Expense": {about: "An expense."},
	"Expense.occurrence": {about: "The day of the recurring expense that it was posted for; null: it is not a " +
		"posted one.", format: "date", example: "2026-03-01"},
	"Expense.rate": {about: "Units of the home currency for one unit of the currency; null while none " +
		"is known.", pattern: positiveText, example: "0.8"},
	"Expense.rate_date": {about: "The day of the rate: the expense's, or the last one before it that has rates.",
		format: "date", example: "2026-03-06"},
	"Expense.rate_source": {about: "Where the rate comes from: `ecb`, `user` (given by hand), `identity` (no " +
		"conversion), or what the server's operator names.", example: "ecb"},
	"Expense.home_currency": {about: "The ISO 4217 code of the currency that it is converted into.", example: "EUR"},
	"Expense.pending":       {about: "Whether it waits for an exchange rate.", example: false},
	"ExpenseInput":          {about: "An expense to be. Only the amount must be given."},
	"ExpenseInput.currency": {about: "The ISO 4217 code of the amount's currency; not given: the home currency.",
		pattern: currencyText, example: "EUR"},
	"ExpenseInput.date": {about: "The day, at most 366 days ahead; not given: today in the ledger's time zone.",
		format: "date", example: "2026-03-08"},
	"ExpenseInput.category_id": {about: "The id of the category; not given, nor `category`: the default category.",
		format: "uuid", example: aCategoryID},
	"ExpenseInput.category": {about: "The name of the category, case ignored, in the place of `category_id`.",
		example: "Food"},
	"ExpenseInput.rate": {about: "Units of the home currency for one unit of the currency, given by hand; not " +
		"given: the rate of the day.", pattern: positiveText, most: 40, example: "0.92"},
	"ExpenseInput.rule_id": {about: "With `occurrence`: the recurring expense that a device predicted this from. " +
		"`id` is then the one that follows from both.", format: "uuid", example: aRuleID},
	"ExpenseInput.occurrence": {about: "With `rule_id`: the day of the recurring expense.", format: "date",
		example: "2026-03-01"},
	"ExpensePatch": {about: "A change of an expense; what is not given stays."},
	"ExpensePatch.category_id": {about: "The id of the category; null: the default category.", format: "uuid",
		example: aCategoryID},
	"ExpensePatch.category": {about: "The name of the category, case ignored, in the place of `category_id`.",
		example: "Travel"},
	"ExpensePatch.notes": {about: "Free text; null: none.", most: expense.MaxNotesLength, example: "Dinner"},
	"ExpensePatch.rate": {about: "Units of the home currency for one unit of the currency, by hand; null: the " +
		"rate of the day again.", pattern: positiveText, most: 40, example: "0.92"},
	"ExpensePage": {about: "A page of expenses."},

	// Categories.
	"Category":          {about: "A category."},
	"Category.name":     {about: "Its name, unique in the ledger, case ignored.", example: "Food"},
	"Category.colour":   {about: "Its colour as #rrggbb; null: none.", example: "#1e90ff"},
	"Category.icon":     {about: "The name of its icon; null: none.", example: "cutlery"},
	"Category.archived": {about: "Whether it takes no new expenses.", example: false},
	"CategoryInput":     {about: "A category to be."},
	"CategoryInput.name": {about: "Its name, unique in the ledger, case ignored. Blanks around it are cut off.",
		most: 60, example: "Pets"},
	"CategoryInput.colour": {about: "Its colour as #rrggbb; empty or not given: none.", pattern: colourText,
		example: "#1e90ff"},
	"CategoryInput.icon": {about: "The name of its icon: letters, digits, - and _; empty or not given: none.",
		pattern: iconText, example: "paw"},
	"CategoryInput.archived": {about: "Whether it takes no new expenses; not given: false.", example: false},
	"CategoryPatch":          {about: "A change of a category; what is not given stays."},
	"CategoryPatch.name": {about: "Its name, unique in the ledger, case ignored. Blanks around it are cut off.",
		most: 60, example: "Pets"},
	"CategoryPatch.colour": {about: "Its colour as #rrggbb; empty or null: none.", pattern: colourText,
		example: "#ff8c00"},
	"CategoryPatch.icon": {about: "The name of its icon: letters, digits, - and _; empty or null: none.",
		pattern: iconText, example: "paw"},
	"CategoryPatch.archived": {about: "Whether it takes no new expenses. The default category cannot be archived.",
		example: true},
	"CategoryPage":    {about: "A page of categories."},
	"MergeInput":      {about: "Into what a category is merged."},
	"MergeInput.into": {about: "The id of the category that takes over.", format: "uuid", example: aCategoryID},
	"Merge":           {about: "What a merge did. The category that was merged is deleted."},
	"Merge.from":      {about: "The id of the category that is no more.", format: "uuid", example: aCategoryID},
	"Merge.into":      {about: "The id of the category that took over.", format: "uuid", example: aCategoryID},
	"Merge.expenses":  {about: "How many expenses moved.", example: 3},
	"Merge.rules":     {about: "How many recurring expenses moved.", example: 1},
	"Merge.budget": {about: "What became of the budget of the category that is no more; null: it had none " +
		"in force."},
	"Merge.version": {about: "The version of the ledger that the merge made.", example: 12},
	"EndedBudget":   {about: "A budget that ended with its category."},
	"EndedBudget.until_month": {about: "The last month in which it holds; null where it was deleted.", pattern: monthText,
		example: "2026-02"},
	"EndedBudget.deleted": {about: "Whether it was deleted, since it had not begun.", example: false},

	// Budgets.
	"Budget":             {about: "A limit of what may be spent in a month, in one category or in all."},
	"Budget.category_id": {about: "The category; null: the whole ledger.", format: "uuid", example: aCategoryID},
	"Budget.label": {about: "The name its category had when a merge ended it; null: no merge did.",
		example: "Treats"},
	"Budget.merged_into": {about: "The category that has its expenses since a merge; null: no merge ended it.",
		format: "uuid", example: aCategoryID},
	"Budget.currency": {about: "The currency of its limits: the home currency.", example: "EUR"},
	"Budget.entries":  {about: "Its limits, in the order of the months from which they hold."},
	"Budget.until_month": {about: "The last month in which it holds; null: no end.", pattern: monthText,
		example: "2026-12"},
	"Budget.rollover": {about: "What of a month is carried into the next: nothing, what is left, what is " +
		"overspent, or both.", enum: []string{"none", "surplus", "deficit", "both"}, example: "none"},
	"Budget.rollover_cap": {about: "The most that is carried; null: no limit.", pattern: positiveText,
		example: "100.00"},
	"Budget.alert_at": {about: "At which parts of the limit an alert is raised.", pattern: positiveText,
		example: []string{"0.80", "1.00"}},
	"BudgetEntry":            {about: "The limit from a month on."},
	"BudgetEntry.from_month": {about: "The first month in which it holds.", pattern: monthText, example: "2026-03"},
	"BudgetInput":            {about: "A budget to be."},
	"BudgetInput.category_id": {about: "The category; not given: the whole ledger.", format: "uuid",
		example: aCategoryID},
	"BudgetInput.from_month": {about: "The first month in which it holds; not given: this month.",
		pattern: monthText, example: "2026-03"},
	"BudgetInput.until_month": {about: "The last month in which it holds; not given: no end.", pattern: monthText,
		example: "2026-12"},
	"BudgetInput.amount": {about: "The limit of a month, above zero.", pattern: positiveText, most: 32,
		example: "500.00"},
	"BudgetInput.currency": {about: "The home currency, to be sure; not given: the same.", pattern: currencyText,
		example: "EUR"},
	"BudgetInput.rollover": {about: "What of a month is carried into the next; not given: none.",
		enum: []string{"none", "surplus", "deficit", "both"}, example: "surplus"},
	"BudgetInput.rollover_cap": {about: "The most that is carried, above zero; not given: no limit.",
		pattern: positiveText, most: 32, example: "100.00"},
	"BudgetInput.alert_at": {about: "At which parts of the limit an alert is raised: 1 to 5, ascending, above " +
		"0 and at most 10; not given: 0.80 and 1.00.", pattern: positiveText, most: 5, example: []string{"0.80", "1.00"}},
	"BudgetPatch": {about: "A change of a budget; what is not given stays, and so do the months " +
		"before `from_month`."},
	"BudgetPatch.amount": {about: "The limit of a month from `from_month` on, above zero.",
		pattern: positiveText, most: 32, example: "600.00"},
	"BudgetPatch.currency": {about: "The home currency, to be sure.", pattern: currencyText, example: "EUR"},
	"BudgetPatch.from_month": {about: "The first month in which the amount holds; not given or null: this month.",
		pattern: monthText, example: "2026-04"},
	"BudgetPatch.until_month": {about: "The last month in which it holds; null: no end.", pattern: monthText,
		example: "2026-12"},
	"BudgetPatch.rollover": {about: "What of a month is carried into the next; null: none.",
		enum: []string{"none", "surplus", "deficit", "both"}, example: "both"},
	"BudgetPatch.rollover_cap": {about: "The most that is carried; null: no limit.", pattern: positiveText, most: 32,
		example: "100.00"},
	"BudgetPatch.alert_at": {about: "At which parts of the limit an alert is raised; null: 0.80 and 1.00.",
		pattern: positiveText, most: 5, example: []string{"0.90"}},
	"BudgetPage":                 {about: "A page of budgets."},
	"Progress":                   {about: "How far the budgets of a month are used up."},
	"Progress.data":              {about: "The budgets of categories in force."},
	"Progress.total":             {about: "The budget of the whole ledger; null: there is none."},
	"ProgressItem":               {about: "How far one budget is used up."},
	"ProgressItem.category_id":   {about: "The category; null: the whole ledger.", format: "uuid", example: aCategoryID},
	"ProgressItem.category_name": {about: "The name of the category; null: the whole ledger.", example: "Food"},
	"ProgressItem.limit": {about: "The limit of the month, without what is carried.", pattern: decimalText,
		example: "500.00"},
	"ProgressItem.carried": {about: "What the months before left to it, or took from it.", pattern: decimalText,
		example: "0.00"},
	"ProgressItem.spent":     {about: "What was spent.", pattern: decimalText, example: "320.00"},
	"ProgressItem.remaining": {about: "What is left; negative: overspent.", pattern: decimalText, example: "180.00"},
	"ProgressItem.ratio": {about: "The part of the limit that is spent: 1 is all of it.", pattern: decimalText,
		example: "0.64"},
	"ProgressItem.currency":  {about: "The home currency, of all figures.", example: "EUR"},
	"ProgressItem.state":     {about: "How it stands.", enum: []string{"ok", "warning", "over"}, example: "ok"},
	"ProgressItem.days_left": {about: "How many days of the month come after today.", example: 23},
	"ProgressItem.projected": {about: "What the month comes to if it goes on like this.", pattern: decimalText,
		example: "1240.00"},
	"ProgressItem.carried_pending": {about: "What `carried` leaves out: it waited for a rate in the months before."},
	"ProgressItem.text": {about: "The same in a line, as the ledger's locale writes it.",
		example: "Food: €320 / €500 spent"},
	"ProgressItem.bar": {about: "The same as a bar of twenty characters.",
		example: "████████████░░░░░░░░"},
	"Amount":       {about: "An amount beside its currency."},
	"History":      {about: "The progress of several months."},
	"History.data": {about: "The months, in their order."},
	"Alert":        {about: "A budget has reached a part of its limit."},
	"Alert.threshold": {about: "The part of the limit that was reached.", pattern: positiveText,
		example: "0.80"},
	"Alert.raised_at": {about: "When it was raised, in UTC.", example: anInstant},
	"Alert.read_at":   {about: "When it was marked as read; null: it was not.", example: anInstant},
	"AlertPage":       {about: "A page of alerts."},

	// Recurring expenses.
	"Rule": {about: "A recurring expense."},
	"Rule.freq": {about: "How often.", enum: []string{"daily", "weekly", "monthly", "yearly"},
		example: "monthly"},
	"Rule.interval": {about: "Every how many days, weeks, months or years.", example: 1},
	"Rule.weekdays": {about: "On which days of the week; none: the start's, where it is weekly.",
		enum: weekdayNames, example: []string{"mon", "fri"}},
	"Rule.month_day": {about: "On which day of the month: a number, or `last`; null: the start's, where it is " +
		"monthly.", of: monthDaySchema().orNull(), example: 31},
	"Rule.on_missing": {about: "What a month does that lacks the day: take its last one, or have none.",
		enum: []string{"clamp", "skip"}, example: "clamp"},
	"Rule.start_date": {about: "The first day it may fall on.", format: "date", example: "2026-01-31"},
	"Rule.until_date": {about: "The last day it may fall on; null: no end.", format: "date", example: "2026-12-31"},
	"Rule.count":      {about: "How many times it falls in all; null: no limit.", example: 12},
	"Rule.rrule":      {about: "The same as an RRULE of RFC 5545.", example: "FREQ=MONTHLY;BYMONTHDAY=31"},
	"Rule.paused":     {about: "Whether nothing is posted.", example: false},
	"Rule.next_date": {about: "The next day that is posted; null: it has ended.", format: "date",
		example: "2026-03-31"},
	"Rule.skipped_dates": {about: "Days ahead that are left out.", format: "date", example: []string{"2026-04-30"}},
	"Rule.last_error": {about: "Why the last posting failed, in plain words; null: it did not.",
		example: "The category is archived."},
	"Rule.retry_at": {about: "When the posting that failed is tried again; null: none failed.",
		example: anInstant},
	"RuleInput": {about: "A recurring expense to be: `rrule`, or `freq` and the members that go with it."},
	"RuleInput.currency": {about: "The ISO 4217 code of the amount's currency; not given: the home currency.",
		pattern: currencyText, example: "EUR"},
	"RuleInput.category_id": {about: "The id of the category; not given, nor `category`: the default category.",
		format: "uuid", example: aCategoryID},
	"RuleInput.category": {about: "The name of the category, case ignored, in the place of `category_id`.",
		example: "Housing"},
	"RuleInput.freq": {about: "How often.", enum: []string{"daily", "weekly", "monthly", "yearly"},
		example: "monthly"},
	"RuleInput.interval": {about: "Every how many days, weeks, months or years; not given: 1.", least: 1,
		most: recurrence.MaxInterval, example: 1},
	"RuleInput.weekdays": {about: "On which days of the week, of a weekly rule; not given: the start's.",
		enum: weekdayNames, example: []string{"mon", "fri"}},
	"RuleInput.month_day": {about: "On which day of the month, of a monthly rule: a number, or `last`; not given: " +
		"the start's.", example: "last"},
	"RuleInput.on_missing": {about: "What a month does that lacks the day: take its last one, or have none; not " +
		"given: clamp.", enum: []string{"clamp", "skip"}, example: "clamp"},
	"RuleInput.start_date": {about: "The first day it may fall on.", format: "date", example: "2026-01-31"},
	"RuleInput.until_date": {about: "The last day it may fall on; not given: no end.", format: "date",
		example: "2026-12-31"},
	"RuleInput.count": {about: "How many times it falls in all, in the place of `until_date`; not given: no limit.",
		least: 1, most: recurrence.MaxCount, example: 12},
	"RuleInput.rrule": {about: "The rule as an RRULE of RFC 5545, in the place of `freq` and the members that go " +
		"with it.", example: "FREQ=WEEKLY;BYDAY=MO"},
	"RuleInput.paused": {about: "Whether nothing is posted; not given: false.", example: false},
	"RulePatch": {about: "A change of a recurring expense; what is not given stays. With `from_date` it is " +
		"split: the old rule ends before that day, and a new one begins."},
	"RulePatch.category_id": {about: "The id of the category; null: the default category.", format: "uuid",
		example: aCategoryID},
	"RulePatch.category": {about: "The name of the category, case ignored, in the place of `category_id`.",
		example: "Housing"},
	"RulePatch.freq": {about: "How often.", enum: []string{"daily", "weekly", "monthly", "yearly"},
		example: "weekly"},
	"RulePatch.interval": {about: "Every how many days, weeks, months or years.", least: 1,
		most: recurrence.MaxInterval, example: 2},
	"RulePatch.weekdays": {about: "On which days of the week; null: the start's.", enum: weekdayNames,
		example: []string{"mon"}},
	"RulePatch.month_day": {about: "On which day of the month: a number, or `last`; null: the start's.", example: 15},
	"RulePatch.on_missing": {about: "What a month does that lacks the day.", enum: []string{"clamp", "skip"},
		example: "skip"},
	"RulePatch.start_date": {about: "The first day it may fall on.", format: "date", example: "2026-02-28"},
	"RulePatch.until_date": {about: "The last day it may fall on; null: no end.", format: "date", example: "2026-12-31"},
	"RulePatch.count": {about: "How many times it falls in all; null: no limit.", least: 1,
		most: recurrence.MaxCount, example: 6},
	"RulePatch.rrule":  {about: "The rule as an RRULE of RFC 5545.", example: "FREQ=WEEKLY;BYDAY=MO"},
	"RulePatch.paused": {about: "Whether nothing is posted.", example: true},
	"RulePatch.from_date": {about: "From which day on the change holds: the answer is 201 with the new rule. Not " +
		"given: the rule itself changes.", format: "date", example: "2026-06-01"},
	"RulePage":           {about: "A page of recurring expenses."},
	"SkipInput":          {about: "Which day to leave out."},
	"SkipInput.date":     {about: "A day ahead on which the rule falls.", format: "date", example: "2026-04-30"},
	"Preview":            {about: "What is to come of a recurring expense."},
	"Preview.data":       {about: "The next occurrences, in their order."},
	"Occurrence":         {about: "An occurrence that is to come."},
	"Occurrence.rule_id": {about: "The id of the recurring expense.", format: "uuid", example: aRuleID},

	// Reports.
	"Summary":          {about: "What was spent in a range of days."},
	"Summary.currency": {about: "The home currency, of all sums.", example: "EUR"},
	"Monthly":          {about: "What was spent in a month."},
	"Monthly.currency": {about: "The home currency, of all sums.", example: "EUR"},
	"Yearly":           {about: "What was spent in a year."},
	"Yearly.currency":  {about: "The home currency, of all sums.", example: "EUR"},
	"Yearly.year":      {about: "The calendar year in which the year begins.", example: 2026},
	"Yearly.by_month":  {about: "The twelve months."},
	"daily_average": {about: "What was spent on a day on average, up to today.", pattern: decimalText,
		example: "40.38"},
	"by_category":     {about: "The categories that something was spent on, the largest first."},
	"by_currency":     {about: "What was paid in which currency."},
	"previous":        {about: "The period before."},
	"year_ago":        {about: "The same period a year before."},
	"top":             {about: "The largest expenses."},
	"ahead":           {about: "Of the total, what is booked for days after today."},
	"Ahead":           {about: "What of a period is booked for days after today."},
	"Monthly.planned": {about: "What is still due in this month: not booked yet, and in no sum."},
	"CategoryShare":   {about: "A category's part of a period."},
	"CategoryShare.amount": {about: "What was spent on it, in the home currency.", pattern: decimalText,
		example: "320.00"},
	"CategoryShare.share": {about: "Its part in per cent; the parts add up to 100.00. Null where the net is not " +
		"positive.", pattern: decimalText, example: "97.56"},
	"CategoryShare.budget": {about: "The limits in force in the period, in the home currency.", pattern: decimalText,
		example: "500.00"},
	"CurrencyTotal": {about: "What was paid in one currency."},
	"CurrencyTotal.home_amount": {about: "What of it is converted, in the home currency.", pattern: decimalText,
		example: "8.00"},
	"Comparison":       {about: "Another period beside the one reported on."},
	"Comparison.year":  {about: "The calendar year in which it begins, in a yearly report.", example: 2025},
	"Comparison.month": {about: "The month, in a monthly report.", pattern: monthText, example: "2026-02"},
	"Comparison.change": {about: "How much more was spent in the period reported on.", pattern: decimalText,
		example: "273.00"},
	"MonthSum":          {about: "What was spent in one month."},
	"MonthSum.amount":   {about: "What was spent, in the home currency.", pattern: decimalText, example: "323.00"},
	"Trend":             {about: "What was spent step by step, without gaps."},
	"Trend.by":          {about: "The step.", enum: []string{"day", "week", "month"}, example: "month"},
	"Trend.from":        {about: "The first day.", format: "date", example: "2026-01-01"},
	"Trend.to":          {about: "The last day.", format: "date", example: "2026-03-31"},
	"Trend.category_id": {about: "The category it is of; null: of all.", format: "uuid", example: aCategoryID},
	"Trend.currency":    {about: "The home currency, of all sums.", example: "EUR"},
	"Trend.points":      {about: "The steps, in their order."},
	"Point":             {about: "One step of a trend."},
	"Point.from":        {about: "Its first day.", format: "date", example: "2026-03-01"},
	"Point.to":          {about: "Its last day.", format: "date", example: "2026-03-31"},
	"Point.amount":      {about: "What was spent, in the home currency.", pattern: decimalText, example: "323.00"},

	// Settings and rates.
	"Settings": {about: "The settings of the ledger."},
	"home_currency": {about: "The ISO 4217 code of the currency that everything is converted into.",
		pattern: currencyText, example: "EUR"},
	"time_zone": {about: "The IANA name of the time zone in which days begin.", example: "Europe/Berlin"},
	"locale": {about: "A language tag of BCP 47: how amounts and dates are written in texts.",
		example: "en-GB"},
	"fiscal_year_start": {about: "The month in which a fiscal year begins, 1 to 12.", least: 1, most: 12,
		example: 1},
	"default_category_id": {about: "The category of expenses that name none.", format: "uuid", example: aCategoryID},
	"Settings.rerated":    {about: "What a change of the home currency did; in the answer to that change only."},
	"Rerated":             {about: "What a change of the home currency did to the expenses."},
	"Rerated.converted":   {about: "How many were converted into the new home currency.", example: 120},
	"Rerated.pending":     {about: "How many wait for a rate now.", example: 2},
	"SettingsPatch":       {about: "A change of the settings; what is not given stays."},
	"SettingsPatch.limit_rate": {about: "With a new `home_currency`: units of it for one unit of the old, for the " +
		"limits of budgets; not given: today's rate.", pattern: positiveText, most: 40, example: "1.0825"},
	"Rate":       {about: "What a conversion would use."},
	"Rate.base":  {about: "The currency to convert from.", example: "USD"},
	"Rate.quote": {about: "The currency to convert into.", example: "EUR"},
	"Rate.rate":  {about: "Units of `quote` for one unit of `base`.", pattern: positiveText, example: "0.8"},
	"Rate.rate_date": {
		about: "The day of the rate: the one asked for, or the last one before it that has rates.", format: "date",
		example: "2026-03-06"},
	"Rate.rate_source": {about: "Where the rate comes from.", example: "ecb"},

	// Imports.
	"Import":              {about: "What became of a file's lines."},
	"ImportInput":         {about: "A file, and how to read it."},
	"ImportInput.mapping": {about: "How the file's lines become expenses; it comes first."},
	"ImportInput.file":    {about: "The CSV file.", of: &schema{Type: types{"string"}, ContentMediaType: "text/csv"}},
	"Import.added":        {about: "How many expenses were added.", example: 2176},
	"Import.known":        {about: "How many an earlier run of the same file had brought in.", example: 0},
	"Import.ignored":      {about: "How many lines the mapping leaves out.", example: 285},
	"Import.failed":       {about: "The lines that did not go in, and why; the first 10,000."},
	"Import.dry_run":      {about: "Whether nothing was written.", example: false},
	"Failure":             {about: "One reason why a line did not go in."},
	"Failure.line":        {about: "The number of the line, from 1.", example: 3},
	"Failure.column":      {about: "The column; null: the line as a whole.", example: "Amount"},
	"Failure.code":        {about: "What is wrong, for programs.", example: "malformed_amount"},
	"PresetPage":          {about: "The mappings that the server has."},
	"Preset":              {about: "A mapping that need not be written."},
	"Preset.name":         {about: "What `preset` in a mapping says.", example: "mint"},
	"Preset.title":        {about: "Whose files it is for.", example: "Mint"},
	"Preset.help":         {about: "How to get such a file.", example: "Transactions, Export all."},
	"Preset.mapping":      {about: "The mapping itself, to be changed and sent."},

	// Sync.
	"SyncPage": {about: "A part of what changed, each row in its latest state, in the order of the " +
		"versions."},
	"SyncPage.changes": {about: "The rows that changed."},
	"SyncPage.cursor": {about: "Where the next pull goes on; to be stored together with the rows.",
		example: aCursor},
	"SyncPage.has_more": {about: "Whether the next pull brings more at once. Rows may refer to rows that " +
		"come later until this is false.", example: false},
	"Change":         {about: "The latest state of one row."},
	"Change.type":    {about: "What the row is.", enum: rowTypes, example: "expense"},
	"Change.id":      {about: "The id of the row; `settings` of the settings.", example: anExpenseID},
	"Change.deleted": {about: "Whether the row is deleted.", example: false},
	"Change.merged_into": {about: "Of a deleted category: the one it was merged into.", format: "uuid",
		example: aCategoryID},
	"Change.data": {about: "The row, as its own resource shows it; null where it is deleted.",
		of: anyRow().orNull()},
	"PushInput": {about: "What a device changed, in the order in which it did."},
	"PushInput.cursor": {about: "The cursor that the device has; one of before a restore is refused before " +
		"anything is applied.", example: aCursor},
	"PushInput.mutations": {about: "The changes.",
		of: &schema{Type: types{"array"}, Items: refTo("MutationInput")}, most: replica.MaxMutations},
	"MutationInput": {about: "One change. It applies whole or not at all, whatever becomes of the others."},
	"MutationInput.mutation_id": {must: true, about: "What this change is remembered by: sent again, it answers " +
		"as before.", pattern: tokenText, example: "m-17"},
	"MutationInput.type": {must: true, about: "What the row is.", enum: rowTypes, example: "expense"},
	"MutationInput.op": {must: true, about: "What is done to it. Settings cannot be deleted; an alert takes " +
		"a patch only.", enum: []string{"put", "patch", "delete"}, example: "put"},
	"MutationInput.id": {must: true, about: "The id of the row; `settings` of the settings.",
		example: anExpenseID},
	"MutationInput.base_version": {about: "The version of the row that the device last saw.", least: 0, example: 12},
	"MutationInput.base_mutation": {about: "In its place: the device's own earlier change of the row, further up in " +
		"its queue.", pattern: tokenText, example: "m-16"},
	"MutationInput.data": {about: "The row to be, of a put; what changes, of a patch; null or not given, of " +
		"a delete.", of: anyWrite().orNull()},
	"AlertPatch":      {about: "What a device can do to an alert."},
	"AlertPatch.read": {about: "True marks it as read.", example: true},
	"Push":            {about: "What became of each change."},
	"Push.results": {about: "One entry for each change, in their order.",
		of: &schema{Type: types{"array"}, Items: refTo("MutationResult")}},
	"MutationResult":             {about: "What became of one change."},
	"MutationResult.mutation_id": {about: "Whose result it is.", example: "m-17"},
	"MutationResult.status": {about: "Done; done in part, since others had changed the row; nothing to do; to be " +
		"decided by a person; or refused for good.", enum: []string{"applied", "merged", "unchanged", "conflict", "rejected"},
		example: "applied"},
	"MutationResult.resource": {about: "The row as it is now.", of: anyRow()},
	"MutationResult.problem":  {about: "Why it is a conflict or refused."},
	"ItemProblem":             {about: "A problem of one change; its pointers lead into the change's data."},
	"Digest":                  {about: "What a device should hold that has pulled up to the cursor."},
	"Digest.version":          {about: "The version of the ledger.", example: 12},
	"Digest.cursor":           {about: "The cursor of a device that has everything.", example: aCursor},
	"Digest.types":            {about: "A digest for each type of row."},
	"RowsDigest":              {about: "How many rows of a type there are, and a hash of them."},
	"RowsDigest.count":        {about: "How many rows there are.", example: 10},
	"RowsDigest.hash": {about: "The SHA-256, in hexadecimal, of a line `id version` for each row, every " +
		"one ended by a line feed, in the order of the ids.", pattern: "^[0-9a-f]{64}$",
		example: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},

	// Accounts.
	"User":         {about: "An account."},
	"Session":      {about: "What a sign-in is answered with."},
	"Session.user": {about: "The account."},
	"Session.access_token": {about: "For the Authorization header, as a Bearer token.",
		example: "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.e30.c2ln"},
	"Session.token_type":    {about: "Always Bearer.", enum: []string{"Bearer"}, example: "Bearer"},
	"Session.expires_in":    {about: "For how many seconds the access token is good.", example: 600},
	"Session.refresh_token": {about: "For one refresh, which gives the next one.", example: "r1.c2VjcmV0"},
	"RegisterInput":         {about: "A new account with its ledger's settings."},
	"RegisterInput.email": {must: true, about: "The account's e-mail address.", format: "email", most: 254,
		example: "ada@example.org"},
	"RegisterInput.password": {must: true,
		about: "Its password: 12 to 256 characters, any of them; the commonest are refused.", of: passwordSchema(),
		example: "eleven green geese humming"},
	"LoginInput":                 {about: "A person's credentials."},
	"LoginInput.email":           {about: "The account's e-mail address.", example: "ada@example.org"},
	"RefreshInput":               {about: "A session's secret."},
	"RefreshInput.refresh_token": {about: "The refresh token of the last sign-in or refresh.", example: "r1.c2VjcmV0"},
	"MePatch":                    {about: "A change of the account."},
	"MePatch.email": {about: "The new e-mail address.", format: "email", most: 254,
		example: "lovelace@example.org"},
	"MePatch.current_password": {about: "The account's password, as at a sign-in.",
		example: "eleven green geese humming"},
	"PasswordInput":                  {about: "A change of the password."},
	"PasswordInput.current_password": {about: "The password until now.", example: "eleven green geese humming"},
	"PasswordInput.new_password": {about: "The password from now on: 12 to 256 characters, any of them; the " +
		"commonest are refused.", of: passwordSchema(), example: "nine purple otters knitting"},
	"EraseInput":          {about: "The confirmation that everything is to go."},
	"Device":              {about: "A session."},
	"Device.name":         {about: "What it was called at the sign-in.", example: "Ada's phone"},
	"Device.last_seen_at": {about: "When it last refreshed its tokens, in UTC.", example: anInstant},
	"Device.current":      {about: "Whether it is the one that asks.", example: true},
	"DevicePage":          {about: "All sessions that live."},
	"Token":               {about: "A personal access token."},
	"Token.scopes": {about: "What it may do.", enum: []string{"read", "write", "export"},
		example: []string{"read"}},
	"Token.expires_at":   {about: "When it ends, in UTC.", example: "2026-12-31T00:00:00Z"},
	"Token.last_used_at": {about: "When it was last used, in UTC; null: it was not.", example: anInstant},
	"Token.token": {about: "The secret: in the answer that made it, and never again.",
		example: "spendwise_pat_c2VjcmV0"},
	"Token.name":        {about: "What it is for.", example: "backup script"},
	"TokenInput":        {about: "A personal access token to be."},
	"TokenInput.name":   {about: "What it is for.", most: 100, example: "backup script"},
	"TokenInput.scopes": {about: "What it may do.", example: []string{"read", "export"}},
	"TokenInput.expires_at": {about: "When it ends, within 366 days; not given: in 90 days.", format: "date-time",
		example: "2026-12-31T00:00:00Z"},
	"TokenPage":   {about: "All personal access tokens of the account."},
	"KeySet":      {about: "The public keys of access tokens, as RFC 7517 has it."},
	"KeySet.keys": {about: "The keys."},
	"Key":         {about: "A public key; which members it has depends on its kind."},
	"Key.kty":     {about: "The kind of key.", example: "OKP"},
	"Key.kid":     {about: "The key's id, which tokens name.", example: "k1"},
	"Key.alg":     {about: "The algorithm it is for.", example: "EdDSA"},
	"Key.use":     {about: "What it is for: signatures.", example: "sig"},
	"Key.crv":     {about: "Its curve.", example: "Ed25519"},
	"Key.x": {about: "Its coordinate x, in base64url.",
		example: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
	"Key.y": {about: "Its coordinate y, in base64url.",
		example: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},

	// The server, and what goes wrong.
	"Health":        {about: "That the process serves."},
	"Health.status": {about: "Always ok.", enum: []string{"ok"}, example: "ok"},
	"Ready":         {about: "That the store answers."},
	"Ready.status":  {about: "Always ready.", enum: []string{"ready"}, example: "ready"},
	"Ready.roles": {about: "The roles of the instance that answers.",
		enum: []string{"api", "auth", "ticker"}, example: []string{"api", "auth", "ticker"}},
	"Ready.recurring": {about: "How far the posting of recurring expenses is behind; not there where the " +
		"instance neither serves ledgers nor posts."},
	"LagSeconds": {about: "How far it is behind."},
	"LagSeconds.overdue_seconds": {about: "The age in seconds of the oldest occurrence that is due and not posted, but " +
		"of a rule that failed: since its next try.", example: 0},
	"LagSeconds.lag_seconds": {about: "The age in seconds of the oldest occurrence that is due and not posted; 0: " +
		"there is none.", example: 0},
	"Problem": {about: "What went wrong, as RFC 9457 has it."},
	"type": {about: "A URL of this server that explains the problem.", format: "uri-reference",
		example: "/problems/validation_error"},
	"Problem.title":     {about: "What the problem is, in a few words.", example: "Validation failed"},
	"ItemProblem.title": {about: "What the problem is, in a few words.", example: "Validation failed"},
	"status":            {about: "The status of the answer, or the one it would have by itself.", example: 422},
	"instance":          {about: "The path of the request.", format: "uri-reference", example: "/v1/expenses"},
	"request_id": {about: "The request's id, to be told when asking for help.",
		example: "7Q5TYV2WZK3N4J6M"},
	"errors":          {about: "Every fault that was found."},
	"current_version": {about: "The version that the resource has now.", example: 12},
	"FieldError":      {about: "A fault: where it is, and what is wrong there."},
	"FieldError.pointer": {about: "The place in the body, as a JSON pointer in a URI fragment.",
		example: "#/amount"},
	"FieldError.parameter": {about: "The parameter.", example: "limit"},
	"FieldError.header":    {about: "The header.", example: "If-Match"},
	"FieldError.code":      {about: "What is wrong, for programs.", example: "too_many_digits"},
}

// parameterWords are what the parameters of queries and paths mean: "limit" wherever one has that name, "GET /v1/sync
// limit" on one route.
var parameterWords = map[string]word{
	"id": {about: "The id of the resource.", of: &schema{Type: types{"string"}, Format: "uuid"},
		example: anExpenseID},
	"code": {about: "The code of a problem.", of: &schema{Type: types{"string"}}, example: "validation_error"},
	"cursor": {about: "Where to go on: `next_cursor` of the page before, with the same filters and order.",
		example: nil},
	"limit": {about: "How many entries a page has at most; more than 200 counts as 200.",
		of: &schema{Type: types{"integer"}}, least: 1, without: defaultLimit, example: 2},
	"sort": {about: "The order; a minus is descending.",
		enum: []string{"-date", "date", "-amount", "amount", "-created", "created"}, without: "-date", example: "-amount"},
	"date_from":   {about: "The first day, inclusive.", format: "date", example: "2026-03-01"},
	"date_to":     {about: "The last day, inclusive.", format: "date", example: "2026-03-31"},
	"category_id": {about: "The id of a category.", format: "uuid"},
	"currency":    {about: "The currency of the amounts, as they were paid.", pattern: currencyText, example: "EUR"},
	"amount_min":  {about: "The smallest amount; with `currency`.", pattern: decimalText, example: "1.00"},
	"amount_max":  {about: "The largest amount; with `currency`.", pattern: decimalText, example: "100.00"},
	"q":           {about: "A text that the notes contain, case ignored.", most: expense.MaxNotesLength, example: "lunch"},
	"rule_id":     {about: "The recurring expense that they come from.", format: "uuid", example: aRuleID},
	"pending": {about: "Those that wait for an exchange rate only, or those that do not.",
		of: &schema{Type: types{"boolean"}}, example: false},
	"month": {about: "The month; not given: this month in the ledger's time zone.", pattern: monthText,
		example: "2026-03"},
	"year": {about: "The calendar year in which the year begins; not given: the one at hand.",
		of: &schema{Type: types{"string"}, Pattern: `^[0-9]{4}$`}, example: "2026"},
	"calendar": {about: "Whether the year begins in January, whatever the ledger's fiscal year.",
		of: &schema{Type: types{"boolean"}}, example: true},
	"top": {about: "How many of the largest expenses to list.", of: &schema{Type: types{"integer"}},
		most: report.MaxLargestExpenses, example: 1},
	"from": {about: "The first day.", format: "date", example: "2026-01-01"},
	"to":   {about: "The last day.", format: "date", example: "2026-03-31"},
	"by":   {about: "The step.", enum: []string{"day", "week", "month"}, without: "month", example: "week"},
	"theme": {about: "The colours: light, dark, or as the viewer's system has it.",
		enum: []string{"auto", "light", "dark"}, without: "auto", example: "dark"},
	"date": {about: "The day; not given: today in the ledger's time zone.", format: "date", example: "2026-03-08"},
	"base": {about: "The currency to convert from.", pattern: currencyText, example: "USD"},
	"quote": {about: "The currency to convert into; not given: the home currency.", pattern: currencyText,
		example: "EUR"},
	"bom": {about: "Whether the file begins with a byte order mark, as some spreadsheets want it.",
		of: &schema{Type: types{"boolean"}}, without: false, example: true},
	"dry_run": {about: "Whether to say what would happen, and write nothing.", of: &schema{Type: types{"boolean"}},
		without: false, example: true},
	"on_error": {about: "What a line that cannot be read does: it is left out, or nothing goes in.",
		enum: []string{"skip", "abort"}, without: "skip", example: "abort"},

	"GET /v1/budgets/history from": {about: "The first month; not given: the eleventh before the last.",
		pattern: monthText, example: "2026-01"},
	"GET /v1/budgets/history to": {about: "The last month; not given: this month.", pattern: monthText,
		example: "2026-03"},
	"GET /v1/recurrences/{id}/preview count": {about: "How many occurrences.", of: &schema{Type: types{"integer"}},
		least: 1, most: recurrence.MaxPreview, without: 10, example: 3},
	"GET /v1/sync cursor": {about: "Where to go on: `cursor` of the pull before; not given: " +
		"everything, without what was deleted."},
	"GET /v1/sync limit": {about: "How many rows a page has at most; more than 1,000 counts as 1,000.",
		of: &schema{Type: types{"integer"}}, least: 1, without: replica.DefaultPageSize, example: 2},
	"GET /v1/exports/report.pdf year": {about: "The calendar year in which the fiscal year begins; in its " +
		"place: `date_from` and `date_to`.", of: &schema{Type: types{"string"}, Pattern: `^[0-9]{4}$`}, example: "2026"},
	"GET /v1/expenses category_id": {
		about: "The id of a category; may be given more than once, for any of them.", format: "uuid"},
}

// requestHeaderWords are what the headers of requests mean.
var requestHeaderWords = map[string]word{
	"Idempotency-Key": {about: "A name for this request: sent again under it, the request is not done again, and " +
		"answered as before for seven days.", pattern: `^("[A-Za-z0-9._:-]{1,255}"|[A-Za-z0-9._:-]{1,255})$`,
		example: "5f1c2a6b-8c01"},
	"If-Match": {about: "The ETag that the resource must still have, or several, or *.", example: `"12"`},
	"If-None-Match": {about: "The ETag that the client has: with 304 nothing is sent again. On a PUT, * makes the " +
		"resource only if there is none.", example: `"12"`},
	"X-Request-Id": {about: "What to call this request in logs and problems: 1 to 128 letters, digits and . _ : - " +
		"characters; another one is not taken up.", example: "7Q5TYV2WZK3N4J6M"},
	"traceparent": {about: "The trace that the request belongs to, as W3C Trace Context has it.",
		example: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	"Last-Event-ID": {about: "The id of the last event that the client saw; a browser sends it by itself.",
		example: aCursor},
}

// headerWords are what the headers of answers mean.
var headerWords = map[string]word{
	"ETag": {about: "The resource's version, for If-Match and If-None-Match.", example: `"12"`},
	"Location": {about: "Where the new resource is.", format: "uri-reference",
		example: "/v1/expenses/" + anExpenseID},
	"Link": {about: "Where the next page is; not there on the last one.",
		example: `</v1/expenses?cursor=` + aCursor + `>; rel="next"`},
	"Idempotency-Replayed": {about: "true where the answer is the one that an earlier request under the key got.",
		enum: []string{"true"}, example: "true"},
	"Content-Disposition": {about: "That this is a file, and its name.",
		example: `attachment; filename="expenses.csv"`},
	"X-Request-Id": {about: "The request's id: the one the client sent, or one of the server's.",
		example: "7Q5TYV2WZK3N4J6M"},
	"Cache-Control": {about: "Who may keep the answer: nobody, where it is personal.",
		example: "no-store"},
	"X-Content-Type-Options": {about: "That the media type is to be believed.", enum: []string{"nosniff"},
		example: "nosniff"},
	"Referrer-Policy": {about: "That no address is passed on.", enum: []string{"no-referrer"},
		example: "no-referrer"},
	"Content-Security-Policy": {about: "That a page or picture loads nothing from elsewhere, and runs no script.",
		example: "default-src 'none'"},
	"Cross-Origin-Opener-Policy": {about: "That a page of another origin that opened this one has no hold on it.",
		enum: []string{"same-origin"}, example: "same-origin"},
	"X-Accel-Buffering": {about: "That a proxy is to pass each event on at once.", enum: []string{"no"},
		example: "no"},
	"Accept-Encoding": {about: "Where a compressed body was refused: that none is taken.",
		enum: []string{"identity"}, example: "identity"},
	"RateLimit": {about: "What is left: the name of the limit, how many more requests there may be " +
		"(r), and for how many seconds the next one has to wait (t).", example: `"reads";r=299;t=1`},
	"RateLimit-Policy": {about: "The limit: its name, how many requests there may be (q), in how many " +
		"seconds (w).", example: `"reads";q=300;w=60`},
	"Strict-Transport-Security": {about: "Over TLS: that a browser is to come back with TLS only.",
		example: "max-age=63072000"},
	"Vary": {about: "That an answer depends on the origin of the page that asks, where pages " +
		"of some origins may.", example: "Origin"},
	"Access-Control-Allow-Origin": {about: "To a page of a listed origin: that it may see the answer.",
		example: "https://app.example.org"},
	"Access-Control-Expose-Headers": {about: "To a page of a listed origin: which headers it may see.",
		example: "ETag, Location"},
	"Access-Control-Allow-Methods": {about: "To a preflight of a listed origin: with which methods its pages may send.",
		example: "GET, HEAD, POST, PUT, PATCH, DELETE"},
	"Access-Control-Allow-Headers": {about: "To a preflight of a listed origin: which headers they may send.",
		example: "Authorization, Content-Type"},
	"Access-Control-Max-Age": {about: "To a preflight of a listed origin: for how many seconds that holds.",
		pattern: "^[0-9]+$", example: "7200"},
	"Retry-After":      {about: "For how many seconds to wait.", pattern: "^[0-9]+$", example: "5"},
	"WWW-Authenticate": {about: "Which credentials are wanted.", example: defaultChallenge},
	"Allow":            {about: "The methods that the resource has.", example: "GET, HEAD, POST"},
}

// The values of members that several words share.
var (
	weekdayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	rowTypes     = []string{"expense", "category", "budget", "recurrence", "alert", "settings"}
)

func anyOf(names ...string) *schema {
	either := &schema{}
	for _, name := range names {
		either.AnyOf = append(either.AnyOf, refTo(name))
	}
	return either
}

// anyRow is a row of any type, as its own resource shows it.
func anyRow() *schema { return anyOf("Expense", "Category", "Budget", "Rule", "Alert", "Settings") }

// anyWrite is what a change may carry.
func anyWrite() *schema {
	return anyOf("ExpenseInput", "ExpensePatch", "CategoryInput", "CategoryPatch", "BudgetInput", "BudgetPatch",
		"RuleInput", "RulePatch",
		"AlertPatch", "SettingsPatch")
}

func passwordSchema() *schema {
	return &schema{Type: types{"string"}, MinLength: new(auth.MinPasswordLength), MaxLength: new(auth.MaxPasswordLength)}
}
