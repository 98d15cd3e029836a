package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/budget"
	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/recurrence"
)

// A Guarantee is what a [Deviation] breaks.
type Guarantee string

// The promises that [Verify] holds a ledger to.
const (
	GuaranteeTotals     Guarantee = "totals"     // a sum equals its expenses
	GuaranteeVersions   Guarantee = "versions"   // the feed has each row once, in order, at a version that its history had
	GuaranteeIDs        Guarantee = "ids"        // an id that stands for an occurrence is made of its rule and date
	GuaranteeReferences Guarantee = "references" // what a row refers to is there
	GuaranteeConversion Guarantee = "conversion" // a home amount is the amount times its frozen rate, rounded once
	GuaranteeRows       Guarantee = "rows"       // a row is one that the use cases would accept
)

// A Deviation is a place where a ledger is not what it should be.
type Deviation struct {
	Guarantee Guarantee
	Subject   string // the row or the sum, such as "expense 0198…"
	Detail    string // what is wrong with it
}

// String returns the deviation as one line.
func (d Deviation) String() string {
	return fmt.Sprintf("%s: %s: %s", d.Guarantee, d.Subject, d.Detail)
}

// Verify recomputes over one snapshot what owner's ledger promises, each figure from the rows themselves, and returns whatever
// deviates. It writes nothing. An error says that it could not read the ledger; ErrNotFound that there is none.
func Verify(ctx context.Context, s Store, owner expense.OwnerID) ([]Deviation, error) {
	var found []Deviation
	err := s.View(ctx, owner, func(r Reader) error {
		v := verifier{r: r}
		if err := v.run(ctx); err != nil {
			return err
		}
		found = v.found
		return nil
	})
	return found, err
}

// A verifier walks one ledger.
type verifier struct {
	r     Reader
	found []Deviation

	settings   expense.Settings
	categories map[uuid.UUID]expense.Category
	feed       map[RowType]map[uuid.UUID]expense.Version // the live rows of the feed
	deleted    map[uuid.UUID]bool
}

func (v *verifier) report(promise Guarantee, where, format string, args ...any) {
	v.found = append(v.found, Deviation{Guarantee: promise, Subject: where, Detail: fmt.Sprintf(format, args...)})
}

func (v *verifier) run(ctx context.Context) error {
	state, err := v.r.State(ctx)
	if err != nil {
		return err
	}
	if v.settings, err = v.r.Settings(ctx); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{
		func(ctx context.Context) error { return v.walkFeed(ctx, state) }, v.checkCategories, v.checkExpenses, v.checkBudgets, v.checkRules,
	} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	v.checkFeedIsListed()
	return nil
}

// feedPage is how many rows of the feed are held at a time.
const feedPage = 1000

// walkFeed reads what a device would: each row once, in ascending places, none at a version that this history never had.
func (v *verifier) walkFeed(ctx context.Context, state State) error {
	v.feed, v.deleted = make(map[RowType]map[uuid.UUID]expense.Version), make(map[uuid.UUID]bool)
	for _, t := range RowTypes() {
		v.feed[t] = make(map[uuid.UUID]expense.Version)
	}
	last := FeedPosition{}
	for {
		page, err := v.r.Changes(ctx, ChangeQuery{After: last, Limit: feedPage})
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		for _, change := range page {
			where := change.Type.String() + " " + change.ID.String()
			switch _, twice := v.feed[change.Type][change.ID]; {
			case change.Compare(last) <= 0:
				v.report(GuaranteeVersions, where, "the feed has it at version %d, after a row of version %d", change.Version, last.Version)
			case change.Version < 1 || change.Version > state.Version:
				v.report(GuaranteeVersions, where, "its version is %d, and the ledger's is %d", change.Version, state.Version)
			case state.Discarded.Contains(change.Version):
				v.report(GuaranteeVersions, where, "its version is %d, which only a history had that a restore took back", change.Version)
			case twice || v.deleted[change.ID]:
				v.report(GuaranteeVersions, where, "the feed has it twice")
			}
			if change.Deleted {
				v.deleted[change.ID] = true
			} else {
				v.feed[change.Type][change.ID] = change.Version
			}
			last = change.FeedPosition
		}
		if len(page) < feedPage {
			return nil
		}
	}
}

// listed compares a row as its list has it with the feed, and takes it off there.
func (v *verifier) listed(t RowType, id uuid.UUID, version, guard expense.Version) {
	where := t.String() + " " + id.String()
	inFeed, ok := v.feed[t][id]
	switch {
	case !ok:
		v.report(GuaranteeVersions, where, "the feed lacks it, so no device sees it")
	case inFeed != version:
		v.report(GuaranteeVersions, where, "its version is %d, and the feed says %d", version, inFeed)
	case guard > version:
		v.report(GuaranteeVersions, where, "its guarded group changed at version %d, after its own version %d", guard, version)
	}
	delete(v.feed[t], id)
}

// checkFeedIsListed reports the rows of the feed that no list has had.
func (v *verifier) checkFeedIsListed() {
	for _, t := range RowTypes() {
		if t == AlertRow { // alerts have no row elsewhere than in their list, which the feed reads
			continue
		}
		for _, id := range slices.SortedFunc(maps.Keys(v.feed[t]), func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }) {
			v.report(GuaranteeVersions, t.String()+" "+id.String(), "the feed has it, and no list does")
		}
	}
}

func (v *verifier) checkCategories(ctx context.Context) error {
	categories, err := v.r.Categories(ctx)
	if err != nil {
		return fmt.Errorf("categories: %w", err)
	}
	v.categories = make(map[uuid.UUID]expense.Category, len(categories))
	names := make(map[string]uuid.UUID)
	for _, c := range categories {
		v.categories[c.ID] = c
		where := "category " + c.ID.String()
		v.listed(CategoryRow, c.ID, c.Version, 0)
		v.valid(where, c.Validate())
		if other, taken := names[expense.Fold(c.Name)]; taken {
			v.report(GuaranteeRows, where, "it has the name %q, as category %s has", c.Name, other)
		}
		names[expense.Fold(c.Name)] = c.ID
	}
	delete(v.feed[SettingsRow], uuid.Nil)
	switch standard, ok := v.categories[v.settings.DefaultCategory]; {
	case !ok:
		v.report(GuaranteeReferences, "settings", "the default category %s is not there", v.settings.DefaultCategory)
	case standard.Archived:
		v.report(GuaranteeReferences, "settings", "the default category %s is archived", v.settings.DefaultCategory)
	}
	return nil
}

// refersTo checks a row's category.
func (v *verifier) refersTo(where string, category uuid.UUID) {
	if _, ok := v.categories[category]; !ok {
		v.report(GuaranteeReferences, where, "its category %s is not there", category)
	}
}

// valid reports each fault that a row's own Validate has found.
func (v *verifier) valid(where string, err error) {
	for _, fault := range expense.InvalidErrors(err) {
		promise := GuaranteeRows
		switch fault.Field {
		case "id":
			promise = GuaranteeIDs
		case "rate", "rate_date", "rate_source", "home_amount":
			promise = GuaranteeConversion
		}
		v.report(promise, where, "%s: %s", fault.Field, fault.Detail)
	}
}

// A sumKey names a sum of a month as [expense.Reader.Totals] returns it.
type sumKey struct {
	month    expense.Month
	category uuid.UUID
	currency expense.Currency
}

func (k sumKey) String() string {
	return fmt.Sprintf("%s in %s of category %s", k.currency, k.month, k.category)
}

// A monthSum is what a total says, in minor units: beyond the range of Money it is still to be told.
type monthSum struct {
	count, pendingCount   int
	amount, home, pending int64
}

func (s monthSum) String() string {
	return fmt.Sprintf("%d expenses of %d, at home %d, %d pending of %d", s.count, s.amount, s.home, s.pendingCount, s.pending)
}

func (v *verifier) checkExpenses(ctx context.Context) error {
	sums := make(map[sumKey]monthSum)
	for e, err := range v.r.Expenses(ctx, expense.Query{Sort: expense.OldestFirst}) {
		if err != nil {
			return fmt.Errorf("expenses: %w", err)
		}
		v.checkExpense(e)
		key := sumKey{e.Date.Month(), e.CategoryID, e.Amount.Currency()}
		sum := sums[key]
		sum.count++
		sum.amount += e.Amount.Minor()
		sum.home += e.Home.Minor()
		if e.Pending() {
			sum.pendingCount++
			sum.pending += e.Amount.Minor()
		}
		sums[key] = sum
	}
	totals, err := v.r.Totals(ctx, expense.TotalsQuery{Ranges: []expense.Range{{}}, Granularity: expense.ByMonth})
	if err != nil {
		return fmt.Errorf("totals: %w", err)
	}
	for _, total := range totals {
		key := sumKey{total.Period.Month(), total.CategoryID, total.Amount.Currency()}
		kept := monthSum{
			count: total.Count, amount: total.Amount.Minor(), home: total.Home.Minor(), pendingCount: total.PendingCount, pending: total.Pending.Minor(),
		}
		if sum := sums[key]; sum != kept {
			v.report(GuaranteeTotals, key.String(), "the total says %s; the rows say %s (minor units)", kept, sum)
		}
		delete(sums, key)
	}
	for _, key := range slices.SortedFunc(maps.Keys(sums), func(a, b sumKey) int { return strings.Compare(a.String(), b.String()) }) {
		v.report(GuaranteeTotals, key.String(), "there is no total; the rows say %s (minor units)", sums[key])
	}
	return nil
}

func (v *verifier) checkExpense(e expense.Expense) {
	where := "expense " + e.ID.String()
	v.listed(ExpenseRow, e.ID, e.Version, e.Guard)
	v.valid(where, e.Validate())
	v.refersTo(where, e.CategoryID)
	if e.Home.Currency() != v.settings.Home {
		v.report(GuaranteeConversion, where, "its home amount is in %s, and the ledger's home currency is %s", e.Home.Currency(), v.settings.Home)
	}
}

func (v *verifier) checkBudgets(ctx context.Context) error {
	book, err := v.r.BudgetSnapshot(ctx)
	if err != nil {
		return fmt.Errorf("budgets: %w", err)
	}
	series := make(map[uuid.UUID]uuid.UUID)
	for _, b := range book.Budgets {
		where := "budget " + b.ID.String()
		v.listed(BudgetRow, b.ID, b.Version, b.Guard)
		v.valid(where, b.Validate())
		v.checkBudgetCategory(where, b, series)
		for _, entry := range b.Entries {
			if entry.Limit.Currency() != v.settings.Home {
				v.report(GuaranteeConversion, where, "its limit from %s is in %s, and the ledger's home currency is %s",
					entry.From, entry.Limit.Currency(), v.settings.Home)
			}
		}
	}
	return nil
}

// checkBudgetCategory checks what a series is for: a live category and the only one for it, or one that a merge left behind.
func (v *verifier) checkBudgetCategory(where string, b budget.Budget, series map[uuid.UUID]uuid.UUID) {
	switch {
	case b.MergedInto != uuid.Nil:
		v.refersTo(where, b.MergedInto)
		return
	case b.CategoryID != uuid.Nil:
		v.refersTo(where, b.CategoryID)
	}
	if other, taken := series[b.CategoryID]; taken {
		v.report(GuaranteeRows, where, "budget %s is for the same category", other)
	}
	series[b.CategoryID] = b.ID
}

func (v *verifier) checkRules(ctx context.Context) error {
	rules, err := v.r.Rules(ctx)
	if err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	for _, rule := range rules {
		v.checkRule(rule)
	}
	return nil
}

func (v *verifier) checkRule(rule recurrence.Rule) {
	where := "recurrence " + rule.ID.String()
	v.listed(RuleRow, rule.ID, rule.Version, rule.Guard)
	v.valid(where, rule.Validate())
	v.refersTo(where, rule.CategoryID)
	if !rule.Next.IsZero() && !rule.SettledThrough.IsZero() && !rule.Next.After(rule.SettledThrough) {
		v.report(GuaranteeRows, where, "its next occurrence is %s, and all up to %s is settled", rule.Next, rule.SettledThrough)
	}
}
