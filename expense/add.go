package expense

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/google/uuid"
)

// A Draft is an expense as a person or a wire gives it: text, as it arrived. What is empty (nil for Notes) was not given.
type Draft struct {
	ID         string  // a UUID; not given: a new one of version 7
	Amount     string  // a plain decimal; it must be given
	Currency   string  // a code of ISO 4217; not given: the home currency
	Date       string  // YYYY-MM-DD; not given: today in the ledger's zone
	CategoryID string  // not given: Category, else the default category
	Category   string  // a name, instead of CategoryID
	Notes      *string // not given: none
	Rate       string  // home units per unit, fixes the conversion by hand; not given: by the rate table
	RuleID     string  // with Occurrence, of a posted or predicted recurring expense; ID must then be [OccurrenceID]'s
	Occurrence string  // YYYY-MM-DD
}

// PutResult is an expense that is in the ledger now.
type PutResult struct {
	Expense Expense
	Created bool // false: it was there already, every member given equal to the stored one
}

// A AddResult is what becomes of one draft among many.
type AddResult struct {
	Expense Expense // as it would be, or is, stored; meaningless with an error
	Known   bool    // its id is that of an expense which is there or was; nothing is written
	Err     error   // ErrInvalid: nothing is written; [InvalidErrors] lists why
}

// OccurrenceID returns the id of the expense that stands for a rule's occurrence: UUID version 5 in the rule's namespace
// of the date's text, so that whoever posts it, or predicts it offline, makes the same row.
func OccurrenceID(rule uuid.UUID, occurrence Date) uuid.UUID {
	return uuid.NewSHA1(rule, []byte(occurrence.String()))
}

// Add adds one expense. If its id is taken, a draft whose every given member equals the stored expense's changes nothing
// and is not Created; other content is ErrExists, a deleted id ErrGone. ValidationErrors are ErrInvalid, all of them at once.
func Add(ctx context.Context, tx Tx, env Env, draft Draft) (PutResult, error) {
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return PutResult{}, err
	}
	e, err := b.build(draft)
	if err == nil {
		e, err = b.put(tx, e, Expense{})
	}
	if err == nil {
		return PutResult{Expense: e, Created: true}, nil
	}
	if draft.Amount != "" && (errors.Is(err, ErrInvalid) || errors.Is(err, ErrExists)) {
		// It may be a repeated request whose answer was lost: what is there already is not judged by today's rules.
		if stored, found, err := b.twin(draft); found || err != nil {
			return PutResult{Expense: stored}, err
		}
	}
	return PutResult{}, err
}

// Check says what [AddAll] would do with each draft, and writes nothing. An error concerns the ledger, not a draft.
func Check(ctx context.Context, r Reader, env Env, drafts ...Draft) ([]AddResult, error) {
	b, err := newBuilder(ctx, r, env)
	if err != nil {
		return nil, err
	}
	return b.check(drafts)
}

// AddAll adds the drafts that are neither faulty nor known, in one batch. An error concerns the whole; nothing was added then.
func AddAll(ctx context.Context, tx Tx, env Env, drafts ...Draft) ([]AddResult, error) {
	b, err := newBuilder(ctx, tx, env)
	if err != nil {
		return nil, err
	}
	verdicts, err := b.check(drafts)
	if err != nil {
		return nil, err
	}
	batch := make([]Expense, 0, len(verdicts))
	for _, v := range verdicts {
		if v.Err == nil && !v.Known {
			batch = append(batch, v.Expense)
		}
	}
	if len(batch) == 0 {
		return verdicts, nil
	}
	version, err := tx.PutExpenses(ctx, batch...)
	if err != nil {
		return nil, fmt.Errorf("add %d expenses: %w", len(batch), err)
	}
	for i := range verdicts {
		if verdicts[i].Err == nil && !verdicts[i].Known {
			verdicts[i].Expense.Version, verdicts[i].Expense.Guard = version, version
		}
	}
	return verdicts, nil
}

// A builder makes expenses out of drafts by the rules of one ledger. It reads each category once.
type builder struct {
	ctx        context.Context //nolint:containedctx // a builder lives for one use case, whose context this is.
	r          Reader
	env        Env
	settings   Settings
	today      Date
	categories map[string]categoryAnswer
}

type categoryAnswer struct {
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
		ctx: ctx, r: r, env: env, settings: settings, today: settings.Today(env.Now), categories: map[string]categoryAnswer{},
	}, nil
}

func (b *builder) check(drafts []Draft) ([]AddResult, error) {
	verdicts := make([]AddResult, len(drafts))
	var given []uuid.UUID
	for i, draft := range drafts {
		e, err := b.build(draft)
		if err != nil && !errors.Is(err, ErrInvalid) {
			return nil, err
		}
		verdicts[i] = AddResult{Expense: e, Err: err}
		if draft.ID != "" && e.ID != uuid.Nil {
			given = append(given, e.ID)
		}
	}
	known := make(map[uuid.UUID]bool, len(given))
	if len(given) > 0 {
		ids, err := b.r.KnownExpenseIDs(b.ctx, given...)
		if err != nil {
			return nil, fmt.Errorf("known expenses: %w", err)
		}
		for _, id := range ids {
			known[id] = true
		}
	}
	for i := range verdicts {
		id := verdicts[i].Expense.ID
		if known[id] {
			// What is known already is not judged again: today's rules may differ from those of its day.
			verdicts[i].Known, verdicts[i].Err = true, nil
		}
		if verdicts[i].Err == nil && id != uuid.Nil {
			known[id] = true
		}
	}
	return verdicts, nil
}

// build returns the expense that draft describes. ValidationErrors are ErrInvalid; the id is set all the same if it can be read.
func (b *builder) build(draft Draft) (Expense, error) {
	var faults ValidationErrors
	now := Timestamp(b.env.Now)
	e := Expense{CreatedAt: now, UpdatedAt: now}

	var err error
	if draft.ID == "" {
		if e.ID, err = uuid.NewV7(); err != nil {
			return Expense{}, fmt.Errorf("new id: %w", err)
		}
	} else {
		e.ID, err = ParseID(draft.ID)
		_ = faults.AddError("id", err)
	}
	e.Amount = b.amount(&faults, draft.Amount, draft.Currency, b.settings.Home)
	e.Date = b.date(&faults, draft.Date)
	checkTender(&faults, e)
	if e.CategoryID, err = b.category(&faults, draft.CategoryID, draft.Category, uuid.Nil); err != nil {
		return Expense{}, err
	}
	if draft.Notes != nil {
		e.Notes = *draft.Notes
		checkNotes(&faults, e.Notes)
	}
	b.occurrence(&faults, &e, draft)
	b.rate(&faults, &e, handRate(&faults, draft.Rate), Rate{})
	if err := faults.Err(); err != nil {
		return Expense{ID: e.ID}, err
	}
	return e, nil
}

// put writes e in the place of old (or anew, where old is the zero Expense) and returns it as it is stored.
func (b *builder) put(tx Tx, e, old Expense) (Expense, error) {
	version, err := tx.PutExpenses(b.ctx, e)
	if err != nil {
		return Expense{}, fmt.Errorf("expense %s: %w", e.ID, err)
	}
	e.Version, e.Guard = version, version
	if old.Version != 0 && e.SameGuardedFields(old) {
		e.Guard = old.Guard
	}
	return e, nil
}

// twin returns the stored expense under the draft's id, if every member that the draft gives equals it: ErrExists if one does
// not, ErrGone if the id was deleted. It is not found if there is none, or the id cannot be read.
func (b *builder) twin(draft Draft) (stored Expense, found bool, err error) {
	id, err := ParseID(draft.ID)
	if err != nil {
		return Expense{}, false, nil //nolint:nilerr // build reports the id with the other faults.
	}
	stored, err = b.r.Expense(b.ctx, id)
	if errors.Is(err, ErrNotFound) && !errors.Is(err, ErrGone) {
		return Expense{}, false, nil
	}
	same := false
	if err == nil {
		same, err = b.same(draft, stored)
	}
	if err == nil && !same {
		err = ErrExists
	}
	if err != nil {
		return Expense{}, false, fmt.Errorf("expense %s: %w", id, err)
	}
	return stored, true, nil
}

// same reports whether every member that draft gives equals stored's.
func (b *builder) same(draft Draft, stored Expense) (bool, error) {
	if draft.Currency != "" && draft.Currency != stored.Amount.Currency().Code() ||
		draft.Date != "" && draft.Date != stored.Date.String() ||
		draft.Notes != nil && *draft.Notes != stored.Notes ||
		draft.Occurrence != "" && draft.Occurrence != stored.Occurrence.String() {
		return false, nil
	}
	if amount, err := ParseAmount(draft.Amount, stored.Amount.Currency()); err != nil || amount != stored.Amount {
		return false, nil //nolint:nilerr // an amount that is missing or cannot be read is not the stored one.
	}
	if draft.Rate != "" {
		if value, err := ParseFactor(draft.Rate); err != nil || value != stored.Rate.Value {
			return false, nil //nolint:nilerr // as above
		}
	}
	if !sameID(draft.CategoryID, stored.CategoryID) || !sameID(draft.RuleID, stored.RuleID) {
		return false, nil
	}
	if draft.Category != "" {
		category, err := b.lookUp("name "+Fold(draft.Category), func() (Category, error) {
			return b.r.CategoryByName(b.ctx, draft.Category)
		})
		if err != nil && !errors.Is(err, ErrNotFound) {
			return false, err
		}
		return err == nil && category.ID == stored.CategoryID, nil
	}
	return true, nil
}

func sameID(text string, id uuid.UUID) bool {
	if text == "" {
		return true
	}
	given, err := ParseID(text)
	return err == nil && given == id
}

func (b *builder) amount(faults *ValidationErrors, text, code string, fallback Currency) Money {
	currency := fallback
	if code != "" {
		var err error
		currency, err = ParseCurrency(code)
		_ = faults.AddError("currency", err)
	}
	switch {
	case text == "":
		faults.Add("amount", "required", "say how much was spent, as a plain decimal such as \"12.50\"")
		return Money{}
	case currency.IsZero():
		_, err := ParseDecimal(text)
		_ = faults.AddError("amount", err)
		return Money{}
	}
	amount, err := ParseAmount(text, currency)
	_ = faults.AddError("amount", err)
	if err == nil && amount.IsZero() {
		faults.Add("amount", "zero", "an expense is not zero; a refund is negative")
	}
	return amount
}

func (b *builder) date(faults *ValidationErrors, text string) Date {
	if text == "" {
		return b.today
	}
	date, err := ParseDate(text)
	_ = faults.AddError("date", err)
	latest := b.today.AddDays(MaxDaysAhead)
	if err == nil && (date.Before(earliestDate) || date.After(latest)) {
		faults.Add("date", "out_of_range", "a date lies from %s to %s, a year ahead, not %s", earliestDate, latest, date)
		return Date{}
	}
	return date
}

// checkTender notes a currency that had ended before the expense's date. Rows that are stored already keep theirs.
func checkTender(faults *ValidationErrors, e Expense) {
	currency := e.Amount.Currency()
	if !e.Date.IsZero() && currency.EndedBefore(e.Date) {
		faults.Add("currency", "currency_ended", "%s ended on %s, before %s", currency, currency.LegalTender().To, e.Date)
	}
}

// category returns the category that id or name say, else the default. An archived one is a fault unless it is kept.
func (b *builder) category(faults *ValidationErrors, id, name string, kept uuid.UUID) (uuid.UUID, error) {
	field := "category_id"
	var category Category
	var err error
	switch {
	case id != "" && name != "":
		faults.Add("category", "ambiguous", "give category_id or category, not both")
		return uuid.Nil, nil
	case id != "":
		parsed, malformed := ParseID(id)
		if malformed != nil {
			_ = faults.AddError(field, malformed)
			return uuid.Nil, nil
		}
		if parsed == kept {
			return kept, nil
		}
		category, err = b.lookUp(parsed.String(), func() (Category, error) { return b.r.Category(b.ctx, parsed) })
	case name != "":
		field = "category"
		category, err = b.lookUp("name "+Fold(name), func() (Category, error) { return b.r.CategoryByName(b.ctx, name) })
	default:
		return b.settings.DefaultCategory, nil
	}
	switch {
	case errors.Is(err, ErrNotFound):
		faults.Add(field, "unknown_category", "the ledger has no category %s", quoteShort(id+name))
		return uuid.Nil, nil
	case err != nil:
		return uuid.Nil, fmt.Errorf("category: %w", err)
	case category.Archived && category.ID != kept:
		faults.Add(field, "archived_category", "the category %q is archived and takes no new expenses", category.Name)
	}
	return category.ID, nil
}

func (b *builder) lookUp(key string, read func() (Category, error)) (Category, error) {
	answer, ok := b.categories[key]
	if !ok {
		answer.category, answer.err = read()
		b.categories[key] = answer
	}
	return answer.category, answer.err
}

func checkNotes(faults *ValidationErrors, notes string) {
	if n := utf8.RuneCountInString(notes); n > MaxNotesLength {
		faults.Add("notes", "too_long", "notes have at most %d characters, these have %d", MaxNotesLength, n)
	}
	if !cleanText(notes, "\n\t") {
		faults.Add("notes", "control_character", "notes are UTF-8 text without control characters other than newline and tab")
	}
}

// occurrence reads the rule and the date that a posted or predicted expense stands for.
func (b *builder) occurrence(faults *ValidationErrors, e *Expense, draft Draft) {
	if draft.RuleID == "" && draft.Occurrence == "" {
		return
	}
	if draft.RuleID == "" || draft.Occurrence == "" {
		faults.Add("occurrence", "incomplete", "rule_id and occurrence go together")
		return
	}
	rule, err := ParseID(draft.RuleID)
	_ = faults.AddError("rule_id", err)
	date, malformed := ParseDate(draft.Occurrence)
	_ = faults.AddError("occurrence", malformed)
	if err != nil || malformed != nil {
		return
	}
	if want := OccurrenceID(rule, date); e.ID != want {
		faults.Add("id", "wrong_id", "the id of this occurrence is %s", want)
	}
	e.RuleID, e.Occurrence = rule, date
}

// handRate reads a rate given by hand; the zero Factor if none was given, or it cannot be read.
func handRate(faults *ValidationErrors, text string) Factor {
	if text == "" {
		return Factor{}
	}
	hand, err := ParseFactor(text)
	_ = faults.AddError("rate", err)
	return hand
}

// rate converts e into the home currency: by hand where that is given, else by the rate table, else by fallback (which may
// be no rate: then e is pending). An e that lacks an amount or a date because of a fault is left alone.
func (b *builder) rate(faults *ValidationErrors, e *Expense, hand Factor, fallback Rate) {
	home := b.settings.Home
	e.Rate, e.Home = Rate{}, Money{currency: home}
	if e.Amount.Currency().IsZero() || e.Date.IsZero() {
		return
	}
	rate, ok := LookupRate(b.env.Rates, e.Amount.Currency(), home, e.Date)
	switch {
	case !hand.IsZero() && rate.Source == SourceIdentity:
		if hand != one {
			faults.Add("rate", "not_identity", "the expense is in the home currency %s, whose rate is 1", home)
			return
		}
	case !hand.IsZero():
		rate = Rate{Value: hand, Date: e.Date, Source: SourceUser}
	case !ok && fallback.IsZero():
		return
	case !ok:
		rate = fallback
	}
	converted, err := rate.Convert(e.Amount, home)
	if err != nil {
		faults.Add("amount", "too_large", "at the rate %s this comes to 10^15 minor units of %s or more", rate.Value, home)
		return
	}
	e.Rate, e.Home = rate, converted
}
