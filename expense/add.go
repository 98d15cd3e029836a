package expense

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/google/uuid"
)

// A Draft is an expense as text from a user or a request. A field is given if it is not empty, and Notes if it is not
// nil. A field that is not given gets its default.
type Draft struct {
	ID         string  // a UUID; default: a new UUID of version 7
	Amount     string  // a plain decimal; required
	Currency   string  // an ISO 4217 code; default: the home currency
	Date       string  // YYYY-MM-DD; default: today in the ledger's time zone
	CategoryID string  // a UUID; default: the category with the name Category
	Category   string  // a name, instead of CategoryID; default: the default category
	Notes      *string // default: no notes
	Rate       string  // units of the home currency per unit of Currency; default: the rate of the rate table
	RuleID     string  // a UUID, only with Occurrence: the recurring rule of the expense; default: none
	Occurrence string  // YYYY-MM-DD, the date of the rule's occurrence; ID must be the result of [OccurrenceID]
}

// A TypedDraft is a [Draft] with parsed fields. The batch functions [Check] and [AddAll] take it, so that text is
// parsed once. [Draft.Parse] makes a TypedDraft from text.
type TypedDraft struct {
	ID         uuid.UUID // Nil: a new UUID of version 7
	Amount     Money     // required
	Date       Date      // zero: today in the ledger's time zone
	CategoryID uuid.UUID // Nil: the category with the name Category
	Category   string    // a name, used only if CategoryID is Nil; empty: the default category
	Historic   bool      // the category may be archived: the expense is an earlier one, from a file
	Notes      string
	Rate       Factor    // units of the home currency per unit of Amount's currency; zero: the rate of the rate table
	RuleID     uuid.UUID // only with Occurrence: the recurring rule of the expense
	Occurrence Date      // the date of the rule's occurrence; ID must be the result of [OccurrenceID]

	errs ValidationErrors // the errors of Parse
}

// Parse parses the draft's text. home is the ledger's home currency, the default of Currency. Parse returns no error.
// If a text is malformed, the TypedDraft holds its field error, and [Check] and [AddAll] report it together with the
// other field errors.
func (d Draft) Parse(home Currency) TypedDraft {
	t := TypedDraft{Category: d.Category, Notes: valueOrEmpty(d.Notes)}
	if d.ID != "" {
		id, err := ParseID(d.ID)
		_ = t.errs.AddError("id", err)
		t.ID = id
	}
	t.Amount = parseAmount(&t.errs, d.Amount, d.Currency, home)
	if d.Date != "" {
		date, err := ParseDate(d.Date)
		_ = t.errs.AddError("date", err)
		t.Date = date
	}
	t.CategoryID = parseCategoryID(&t.errs, d.CategoryID, d.Category)
	t.RuleID, t.Occurrence = parseOccurrence(&t.errs, d.RuleID, d.Occurrence)
	t.Rate = parseRate(&t.errs, d.Rate)
	return t
}

// A PutResult is the result of [Add] and [Replace].
type PutResult struct {
	Expense Expense // as stored
	Created bool    // false if the expense existed; [Add] then left it unchanged
}

// A BatchResult is the result of [Check] and [AddAll] for one draft.
type BatchResult struct {
	Expense Expense // as AddAll stores it, or would store it; use only ID if Known or Err is set
	Known   bool    // an expense, a tombstone or an earlier draft of the call has the id; nothing is written
	Err     error   // ErrInvalid: nothing is written; [InvalidErrors] lists the errors
}

// OccurrenceID returns the id of the expense that a rule posts for an occurrence. The id is a UUID of version 5. Its
// namespace is the rule's id, and its name is the date as YYYY-MM-DD. A client that predicts the expense offline
// computes the same id as the server.
func OccurrenceID(rule uuid.UUID, occurrence Date) uuid.UUID {
	return uuid.NewSHA1(rule, []byte(occurrence.String()))
}

// Add adds one expense. Add is idempotent for a draft with an id: if the expense with the id equals every given field
// of the draft, Add changes nothing, and Created is false. Add returns ErrExists if the expense differs, ErrGone if the
// id belongs to a deleted expense, and ErrInvalid with all field errors if the draft is invalid.
func Add(ctx context.Context, tx Tx, env Env, draft Draft) (PutResult, error) {
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return PutResult{}, err
	}
	e, err := b.create(tx, draft)
	if err == nil {
		return PutResult{Expense: e, Created: true}, nil
	}
	if draft.Amount != "" && (errors.Is(err, ErrInvalid) || errors.Is(err, ErrExists)) {
		// The request may be a retry of one that succeeded. The stored expense was valid then, so compare it without
		// validating it again.
		if stored, ok, err := b.findEqual(draft); ok || err != nil {
			return PutResult{Expense: stored}, err
		}
	}
	return PutResult{}, err
}

// Check returns what [AddAll] would do with each draft. It writes nothing. The field errors of a draft are in its
// BatchResult. Check returns an error only if it cannot read the ledger.
func Check(ctx context.Context, r Reader, env Env, drafts ...TypedDraft) ([]BatchResult, error) {
	b, err := newBuilder(ctx, r, env)
	if err != nil {
		return nil, err
	}
	return b.check(drafts)
}

// AddAll adds, in one write, all drafts that are valid and whose ids are not in use; see [BatchResult.Known]. The
// result at index i belongs to drafts[i]. If AddAll returns an error, it added nothing. The error is [ErrTotalTooLarge]
// if the sum of all expenses would exceed the limit of the ledger.
func AddAll(ctx context.Context, tx Tx, env Env, drafts ...TypedDraft) ([]BatchResult, error) {
	results, err := Check(ctx, tx, env, drafts...)
	if err == nil {
		err = AddChecked(ctx, tx, results...)
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// AddChecked adds, in one write, the expenses of results that [Check] returned for the same tx, except those that are
// Known or have an Err. It sets the versions of the added expenses in results. Its errors are those of [AddAll].
func AddChecked(ctx context.Context, tx Tx, results ...BatchResult) error {
	batch := make([]Expense, 0, len(results))
	for _, result := range results {
		if result.Err == nil && !result.Known {
			batch = append(batch, result.Expense)
		}
	}
	if len(batch) == 0 {
		return nil
	}
	version, err := tx.PutExpenses(ctx, batch...)
	if err != nil {
		return fmt.Errorf("add %d expenses: %w", len(batch), err)
	}
	for i := range results {
		if results[i].Err == nil && !results[i].Known {
			results[i].Expense.Version, results[i].Expense.Guard = version, version
		}
	}
	return nil
}

// A builder creates and changes the expenses of one ledger within one use case. It reads each category once.
type builder struct {
	ctx        context.Context //nolint:containedctx // a builder lives for one use case, whose context this is.
	r          Reader
	env        Env
	settings   Settings
	today      Date
	categories map[string]categoryResult // by id, or by "name " followed by the folded name
}

type categoryResult struct {
	category Category
	err      error
}

func newBuilder(ctx context.Context, r Reader, env Env) (*builder, error) {
	settings, err := r.Settings(ctx)
	if err != nil {
		return nil, fmt.Errorf("settings: %w", err)
	}
	if env.Rates == nil {
		env.Rates = NoRates{}
	}
	return &builder{
		ctx: ctx, r: r, env: env, settings: settings, today: settings.Today(env.Now), categories: map[string]categoryResult{},
	}, nil
}

func (b *builder) check(drafts []TypedDraft) ([]BatchResult, error) {
	results := make([]BatchResult, len(drafts))
	var ids []uuid.UUID
	for i, draft := range drafts {
		e, err := b.build(draft)
		if err != nil && !errors.Is(err, ErrInvalid) {
			return nil, err
		}
		results[i] = BatchResult{Expense: e, Err: err}
		if draft.ID != uuid.Nil {
			ids = append(ids, draft.ID)
		}
	}
	known := make(map[uuid.UUID]bool, len(ids))
	if len(ids) > 0 {
		used, err := b.r.KnownExpenseIDs(b.ctx, ids...)
		if err != nil {
			return nil, fmt.Errorf("known expenses: %w", err)
		}
		for _, id := range used {
			known[id] = true
		}
	}
	for i := range results {
		id := results[i].Expense.ID
		if known[id] {
			// The draft is not added, so its errors do not matter.
			results[i].Known, results[i].Err = true, nil
		}
		if results[i].Err == nil && id != uuid.Nil {
			known[id] = true
		}
	}
	return results, nil
}

// create stores a new expense.
func (b *builder) create(tx Tx, draft Draft) (Expense, error) {
	e, err := b.build(draft.Parse(b.settings.Home))
	if err != nil {
		return Expense{}, err
	}
	return b.put(tx, e, Expense{})
}

// build returns the expense that draft describes. If the draft is invalid, the error is ErrInvalid and only the id is
// set.
func (b *builder) build(draft TypedDraft) (Expense, error) {
	errs := ValidationErrors{list: slices.Clip(draft.errs.list)}
	now := Timestamp(b.env.Now)
	e := Expense{
		ID: draft.ID, Amount: draft.Amount, Date: draft.Date, Notes: draft.Notes,
		RuleID: draft.RuleID, Occurrence: draft.Occurrence, CreatedAt: now, UpdatedAt: now,
	}
	var err error
	if e.ID == uuid.Nil && !errs.Has("id") {
		if e.ID, err = uuid.NewV7(); err != nil {
			return Expense{}, fmt.Errorf("new id: %w", err)
		}
	}
	if e.Date.IsZero() && !errs.Has("date") {
		e.Date = b.today
	}
	checkAmount(&errs, e.Amount)
	b.checkDate(&errs, &e)
	checkLegalTender(&errs, e)
	if e.CategoryID, err = b.category(&errs, draft.CategoryID, draft.Category, uuid.Nil, draft.Historic); err != nil {
		return Expense{}, err
	}
	checkNotes(&errs, e.Notes)
	checkOccurrence(&errs, e)
	b.convert(&errs, &e, draft.Rate, Rate{})
	if err := errs.Err(); err != nil {
		return Expense{ID: e.ID}, err
	}
	return e, nil
}

// put stores e, which replaces old, and returns e as stored. old is the zero Expense if e is new.
func (b *builder) put(tx Tx, e, old Expense) (Expense, error) {
	version, err := tx.PutExpenses(b.ctx, e)
	if err != nil {
		return Expense{}, &RowError{Type: "expense", ID: e.ID, Err: err}
	}
	e.Version, e.Guard = version, version
	if old.Version != 0 && e.SameGuardedFields(old) {
		e.Guard = old.Guard
	}
	return e, nil
}

// findEqual returns the stored expense with the draft's id if it equals every given field of the draft. It returns
// ErrExists if the expense differs and ErrGone if it was deleted. ok is false if the id is unknown or malformed.
func (b *builder) findEqual(draft Draft) (stored Expense, ok bool, err error) {
	id, err := ParseID(draft.ID)
	if err != nil {
		return Expense{}, false, nil //nolint:nilerr // build reports the malformed id with the other field errors.
	}
	stored, err = b.r.Expense(b.ctx, id)
	if errors.Is(err, ErrNotFound) && !errors.Is(err, ErrGone) {
		return Expense{}, false, nil
	}
	equal := false
	if err == nil {
		equal, err = b.equal(draft, stored)
	}
	if err == nil && !equal {
		err = ErrExists
	}
	if err != nil {
		return Expense{}, false, &RowError{Type: "expense", ID: id, Version: stored.Version, Err: err}
	}
	return stored, true, nil
}

// equal reports whether every given field of draft equals that of stored.
func (b *builder) equal(draft Draft, stored Expense) (bool, error) {
	if draft.Currency != "" && draft.Currency != stored.Amount.Currency().Code() ||
		draft.Date != "" && draft.Date != stored.Date.String() ||
		draft.Notes != nil && *draft.Notes != stored.Notes ||
		draft.Occurrence != "" && draft.Occurrence != stored.Occurrence.String() {
		return false, nil
	}
	if amount, err := ParseAmount(draft.Amount, stored.Amount.Currency()); err != nil || amount != stored.Amount {
		return false, nil //nolint:nilerr // a missing or malformed amount differs from the stored one.
	}
	if draft.Rate != "" {
		if value, err := ParseFactor(draft.Rate); err != nil || value != stored.Rate.Value {
			return false, nil //nolint:nilerr // a malformed rate differs from the stored one.
		}
	}
	if !equalID(draft.CategoryID, stored.CategoryID) || !equalID(draft.RuleID, stored.RuleID) {
		return false, nil
	}
	if draft.Category != "" {
		category, err := b.categoryByName(draft.Category)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		return err == nil && category.ID == stored.CategoryID, nil
	}
	return true, nil
}

// equalID reports whether text is empty or the text of id.
func equalID(text string, id uuid.UUID) bool {
	if text == "" {
		return true
	}
	parsed, err := ParseID(text)
	return err == nil && parsed == id
}

// parseAmount parses an amount in the currency with this code. home is the currency if code is empty. If the amount is
// missing or invalid, parseAmount returns zero in that currency, so that the currency and the rate can be checked.
func parseAmount(errs *ValidationErrors, text, code string, home Currency) Money {
	currency := home
	if code != "" {
		var err error
		currency, err = ParseCurrency(code)
		_ = errs.AddError("currency", err)
	}
	switch {
	case text == "":
		errs.Add("amount", "required", "the amount is missing; give a plain decimal such as \"12.50\"")
		return Money{currency: currency}
	case currency.IsZero():
		value, err := CheckAmount(text)
		_ = errs.AddError("amount", err)
		if err == nil && value.IsZero() {
			addZeroAmount(errs)
		}
		return Money{}
	}
	amount, err := ParseAmount(text, currency)
	if err != nil {
		_ = errs.AddError("amount", err)
		return Money{currency: currency}
	}
	return amount
}

// checkAmount adds an error if the amount is zero, unless errs already has an error for the amount or the currency.
func checkAmount(errs *ValidationErrors, amount Money) {
	if (amount.IsZero() || amount.currency.IsZero()) && !errs.Has("amount") && !errs.Has("currency") {
		addZeroAmount(errs)
	}
}

func addZeroAmount(errs *ValidationErrors) {
	errs.Add("amount", "zero", "the amount is zero; give a positive amount, or a negative one for a refund")
}

// checkDate reports a date out of range and then clears it, so that no later check uses it.
func (b *builder) checkDate(errs *ValidationErrors, e *Expense) {
	latest := b.today.AddDays(MaxDaysAhead)
	if !e.Date.IsZero() && (e.Date.Before(earliestDate) || e.Date.After(latest)) {
		errs.Add("date", "out_of_range", "date %s is out of range; give %s to %s", e.Date, earliestDate, latest)
		e.Date = Date{}
	}
}

// checkLegalTender reports a currency that ceased to be legal tender before the expense's date.
func checkLegalTender(errs *ValidationErrors, e Expense) {
	currency := e.Amount.Currency()
	if !e.Date.IsZero() && currency.EndedBefore(e.Date) {
		errs.Add("currency", "currency_ended",
			"%s ceased to be legal tender on %s, before %s; give another currency or an earlier date",
			currency, currency.LegalTender().To, e.Date)
	}
}

// parseCategoryID parses the id of a category. It also adds an error if the category's name is given besides the id.
func parseCategoryID(errs *ValidationErrors, id, name string) uuid.UUID {
	if id == "" {
		return uuid.Nil
	}
	if name != "" {
		errs.Add("category", "ambiguous", "category %s is given besides category_id; give one of them", QuoteText(name))
	}
	parsed, err := ParseID(id)
	_ = errs.AddError("category_id", err)
	return parsed
}

// category returns the id of the category with this id, else with this name, else of the default category. An archived
// category is an error, unless the expense already has it, or is historic: stored is the id of the category it has.
func (b *builder) category(
	errs *ValidationErrors, id uuid.UUID, name string, stored uuid.UUID, historic bool,
) (uuid.UUID, error) {
	field, text := "category_id", id.String()
	var category Category
	var err error
	switch {
	case errs.Has("category_id"):
		return uuid.Nil, nil
	case id != uuid.Nil && id == stored:
		return id, nil
	case id != uuid.Nil:
		category, err = b.cachedCategory(text, func() (Category, error) { return b.r.Category(b.ctx, id) })
	case name != "":
		field, text = "category", name
		category, err = b.categoryByName(name)
	default:
		return b.settings.DefaultCategory, nil
	}
	switch {
	case errors.Is(err, ErrNotFound):
		errs.Add(field, "unknown_category", "the ledger has no category %s; create it or give another", QuoteText(text))
		return uuid.Nil, nil
	case err != nil:
		return uuid.Nil, fmt.Errorf("category: %w", err)
	case category.Archived && category.ID != stored && !historic:
		errs.Add(field, "archived_category", "category %q is archived; give an active one", category.Name)
	}
	return category.ID, nil
}

func (b *builder) categoryByName(name string) (Category, error) {
	return b.cachedCategory("name "+Fold(name), func() (Category, error) { return b.r.CategoryByName(b.ctx, name) })
}

func (b *builder) cachedCategory(key string, read func() (Category, error)) (Category, error) {
	result, ok := b.categories[key]
	if !ok {
		result.category, result.err = read()
		b.categories[key] = result
	}
	return result.category, result.err
}

func checkNotes(errs *ValidationErrors, notes string) {
	if n := utf8.RuneCountInString(notes); n > MaxNotesLength {
		errs.Add("notes", "too_long", "the notes have %d characters; at most %d are allowed, so shorten them",
			n, MaxNotesLength)
	}
	if unclean := findUnclean(notes, "\n\t"); unclean != "" {
		errs.Add("notes", "control_character",
			"the notes contain %s; give UTF-8 without control characters other than newline and tab", QuoteText(unclean))
	}
}

// parseOccurrence parses the rule and the date of an occurrence. It adds an error for each text that is malformed and
// for one that is missing beside the other.
func parseOccurrence(errs *ValidationErrors, ruleID, occurrence string) (rule uuid.UUID, date Date) {
	var err error
	if ruleID != "" {
		rule, err = ParseID(ruleID)
		_ = errs.AddError("rule_id", err)
	} else if occurrence != "" {
		addIncompleteOccurrence(errs, "rule_id")
	}
	if occurrence != "" {
		date, err = ParseDate(occurrence)
		_ = errs.AddError("occurrence", err)
	} else if ruleID != "" {
		addIncompleteOccurrence(errs, "occurrence")
	}
	return rule, date
}

// addIncompleteOccurrence reports that only one of rule_id and occurrence is given. missing is the other one.
func addIncompleteOccurrence(errs *ValidationErrors, missing string) {
	errs.Add(missing, "incomplete", "the %s is missing; give both rule_id and occurrence, or neither", missing)
}

// checkOccurrence reports a rule without a date, a date without a rule, and an id that differs from [OccurrenceID]. It
// does nothing if errs has an error of the rule or of the date.
func checkOccurrence(errs *ValidationErrors, e Expense) {
	switch {
	case errs.Has("rule_id") || errs.Has("occurrence"):
	case e.RuleID == uuid.Nil && !e.Occurrence.IsZero():
		addIncompleteOccurrence(errs, "rule_id")
	case e.RuleID != uuid.Nil && e.Occurrence.IsZero():
		addIncompleteOccurrence(errs, "occurrence")
	case e.RuleID != uuid.Nil && e.ID != OccurrenceID(e.RuleID, e.Occurrence) && !errs.Has("id"):
		errs.Add("id", "wrong_id",
			"id %s is wrong; the id of this occurrence is %s", e.ID, OccurrenceID(e.RuleID, e.Occurrence))
	}
}

// parseRate parses a rate given by the user. It returns the zero Factor if text is empty or malformed.
func parseRate(errs *ValidationErrors, text string) Factor {
	if text == "" {
		return Factor{}
	}
	rate, err := ParseFactor(text)
	_ = errs.AddError("rate", err)
	return rate
}

// convert sets the Rate and Home of e. It uses userRate if that is not zero, else the rate table, else fallback. If
// fallback is zero too, e becomes pending. convert also leaves e pending if its currency or its date is zero. In that
// case, errs already has the error of that field.
func (b *builder) convert(errs *ValidationErrors, e *Expense, userRate Factor, fallback Rate) {
	home := b.settings.Home
	e.Rate, e.Home = Rate{}, Money{currency: home}
	if e.Amount.Currency().IsZero() || e.Date.IsZero() {
		return
	}
	rate, ok := LookupRate(b.env.Rates, e.Amount.Currency(), home, e.Date)
	switch {
	case !userRate.IsZero() && rate.Source == SourceIdentity:
		if userRate != one {
			errs.Add("rate", "not_identity",
				"rate %s is not 1; the expense is in the home currency %s, so omit the rate", userRate, home)
			return
		}
	case !userRate.IsZero():
		rate = Rate{Value: userRate, Date: e.Date, Source: SourceUser}
	case !ok && fallback.IsZero():
		return
	case !ok:
		rate = fallback
	}
	converted, err := rate.Convert(e.Amount, home)
	if err != nil {
		errs.Add("amount", "too_large", "amount %s is too large at the rate %s; give less than 10^15 minor units of %s",
			e.Amount, rate.Value, home)
		return
	}
	e.Rate, e.Home = rate, converted
}
