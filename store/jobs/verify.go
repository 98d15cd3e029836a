package jobs

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
	"github.com/spendwise/spendwise/store"
)

// Verify reads owner's ledger in one snapshot, recomputes what can be derived from its rows, and returns every
// deviation from the guarantees of the store and the use cases. It writes nothing. It returns [expense.ErrNotFound] if
// the owner has no ledger.
//
// Verify does not check the counters that the SQL stores keep, because a Reader does not return them. The method
// VerifyCounters of these stores checks them.
func Verify(ctx context.Context, st store.Store, owner expense.OwnerID) ([]store.Deviation, error) {
	var deviations []store.Deviation
	err := st.View(ctx, owner, func(r store.Reader) error {
		v := verifier{r: r}
		if err := v.run(ctx); err != nil {
			return err
		}
		deviations = v.deviations
		return nil
	})
	return deviations, err
}

// A verifier is the state of one call of Verify.
type verifier struct {
	r          store.Reader
	deviations []store.Deviation

	settings   expense.Settings
	categories map[uuid.UUID]expense.Category
	feed       map[store.RowType]map[uuid.UUID]expense.Version // rows of the feed that are not deleted
	deleted    map[uuid.UUID]bool
}

func (v *verifier) report(guarantee store.Guarantee, subject, format string, args ...any) {
	v.deviations = append(v.deviations, store.Deviation{
		Guarantee: guarantee, Subject: subject, Detail: fmt.Sprintf(format, args...),
	})
}

func (v *verifier) run(ctx context.Context) error {
	state, err := v.r.State(ctx)
	if err != nil {
		return err
	}
	if v.settings, err = v.r.Settings(ctx); err != nil {
		return err
	}
	if err := v.checkFeed(ctx, state); err != nil {
		return err
	}
	for _, check := range []func(context.Context) error{v.checkCategories, v.checkExpenses, v.checkBudgets, v.checkRules} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	v.checkUnlisted()
	return nil
}

// feedPage is the number of rows of the feed that are in memory at a time.
const feedPage = 1000

// checkFeed checks that the feed has each row once, in ascending positions, at a version that is not discarded.
func (v *verifier) checkFeed(ctx context.Context, state store.State) error {
	v.feed, v.deleted = make(map[store.RowType]map[uuid.UUID]expense.Version), make(map[uuid.UUID]bool)
	for _, t := range store.RowTypes() {
		v.feed[t] = make(map[uuid.UUID]expense.Version)
	}
	last := store.FeedPosition{}
	for {
		page, err := v.r.Changes(ctx, store.ChangeQuery{After: last, Limit: feedPage})
		if err != nil {
			return fmt.Errorf("feed: %w", err)
		}
		for _, change := range page {
			subject := change.Type.String() + " " + change.ID.String()
			switch _, twice := v.feed[change.Type][change.ID]; {
			case change.Compare(last) <= 0:
				v.report(store.GuaranteeVersions, subject, "the feed has it at version %d, after a row at version %d",
					change.Version, last.Version)
			case change.Version < 1 || change.Version > state.Version:
				v.report(store.GuaranteeVersions, subject, "its version is %d; the ledger's version is %d", change.Version,
					state.Version)
			case state.Discarded.Contains(change.Version):
				v.report(store.GuaranteeVersions, subject, "its version is %d, which belongs to a discarded history",
					change.Version)
			case twice || v.deleted[change.ID]:
				v.report(store.GuaranteeVersions, subject, "the feed has it more than once")
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

// checkListed compares a row of a list with the feed, and removes it from v.feed.
func (v *verifier) checkListed(t store.RowType, id uuid.UUID, version, guard expense.Version) {
	subject := t.String() + " " + id.String()
	inFeed, ok := v.feed[t][id]
	switch {
	case !ok:
		v.report(store.GuaranteeVersions, subject, "the feed does not have it, so devices do not receive it")
	case inFeed != version:
		v.report(store.GuaranteeVersions, subject, "its version is %d; the feed has it at version %d", version, inFeed)
	case guard > version:
		v.report(store.GuaranteeVersions, subject, "its guarded fields changed at version %d, which is after its version %d",
			guard, version)
	}
	delete(v.feed[t], id)
}

// checkUnlisted reports the rows of the feed that no list contains.
func (v *verifier) checkUnlisted() {
	for _, t := range store.RowTypes() {
		if t == store.AlertRow { // the feed reads alerts from the list itself
			continue
		}
		for _, id := range slices.SortedFunc(maps.Keys(v.feed[t]),
			func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }) {
			v.report(store.GuaranteeVersions, t.String()+" "+id.String(), "the feed has it, but no list has it")
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
		subject := "category " + c.ID.String()
		v.checkListed(store.CategoryRow, c.ID, c.Version, 0)
		v.checkValid(subject, c.Validate())
		if other, taken := names[expense.Fold(c.Name)]; taken {
			v.report(store.GuaranteeRows, subject, "its name %q is also the name of category %s", c.Name, other)
		}
		names[expense.Fold(c.Name)] = c.ID
	}
	delete(v.feed[store.SettingsRow], uuid.Nil)
	switch defaultCategory, ok := v.categories[v.settings.DefaultCategory]; {
	case !ok:
		v.report(store.GuaranteeReferences, "settings", "the default category %s does not exist", v.settings.DefaultCategory)
	case defaultCategory.Archived:
		v.report(store.GuaranteeReferences, "settings", "the default category %s is archived", v.settings.DefaultCategory)
	}
	return nil
}

func (v *verifier) checkCategoryExists(subject string, category uuid.UUID) {
	if _, ok := v.categories[category]; !ok {
		v.report(store.GuaranteeReferences, subject, "its category %s does not exist", category)
	}
}

// checkValid reports each broken field that a row's Validate has returned.
func (v *verifier) checkValid(subject string, err error) {
	for _, invalid := range expense.InvalidErrors(err) {
		guarantee := store.GuaranteeRows
		switch invalid.Field {
		case "id":
			guarantee = store.GuaranteeIDs
		case "rate", "rate_date", "rate_source", "home_amount":
			guarantee = store.GuaranteeConversion
		}
		v.report(guarantee, subject, "%s: %s", invalid.Field, invalid.Detail)
	}
}

// A sumKey identifies a monthly total of [expense.Reader.Totals].
type sumKey struct {
	month    expense.Month
	category uuid.UUID
	currency expense.Currency
}

func (k sumKey) String() string {
	return fmt.Sprintf("%s in %s of category %s", k.currency, k.month, k.category)
}

// A monthSum holds the figures of a total in minor units, which may exceed the range of Money.
type monthSum struct {
	count, pendingCount   int
	amount, home, pending int64
}

func (s monthSum) String() string {
	return fmt.Sprintf("%d expenses of %d, %d in home currency, %d pending of %d", s.count, s.amount, s.home,
		s.pendingCount, s.pending)
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
		stored := monthSum{
			count: total.Count, amount: total.Amount.Minor(), home: total.Home.Minor(),
			pendingCount: total.PendingCount, pending: total.Pending.Minor(),
		}
		if sum := sums[key]; sum != stored {
			v.report(store.GuaranteeTotals, key.String(), "the total is %s; the sum of its rows is %s (minor units)", stored,
				sum)
		}
		delete(sums, key)
	}
	for _, key := range slices.SortedFunc(maps.Keys(sums),
		func(a, b sumKey) int { return strings.Compare(a.String(), b.String()) }) {
		v.report(store.GuaranteeTotals, key.String(), "the total is missing; the sum of its rows is %s (minor units)",
			sums[key])
	}
	return nil
}

func (v *verifier) checkExpense(e expense.Expense) {
	subject := "expense " + e.ID.String()
	v.checkListed(store.ExpenseRow, e.ID, e.Version, e.Guard)
	v.checkValid(subject, e.Validate())
	v.checkCategoryExists(subject, e.CategoryID)
	if e.Home.Currency() != v.settings.Home {
		v.report(store.GuaranteeConversion, subject, "its home amount is in %s; the ledger's home currency is %s",
			e.Home.Currency(), v.settings.Home)
	}
}

func (v *verifier) checkBudgets(ctx context.Context) error {
	snapshot, err := v.r.BudgetSnapshot(ctx)
	if err != nil {
		return fmt.Errorf("budgets: %w", err)
	}
	byCategory := make(map[uuid.UUID]uuid.UUID)
	for _, b := range snapshot.Budgets {
		subject := "budget " + b.ID.String()
		v.checkListed(store.BudgetRow, b.ID, b.Version, b.Guard)
		v.checkValid(subject, b.Validate())
		v.checkBudgetCategory(subject, b, byCategory)
		for _, entry := range b.Entries {
			if entry.Limit.Currency() != v.settings.Home {
				v.report(store.GuaranteeConversion, subject, "its limit from %s is in %s; the ledger's home currency is %s",
					entry.From, entry.Limit.Currency(), v.settings.Home)
			}
		}
	}
	return nil
}

// checkBudgetCategory checks that the budget's category exists and has no other budget. A budget of a merged category
// refers to the category that it was merged into.
func (v *verifier) checkBudgetCategory(subject string, b budget.Budget, byCategory map[uuid.UUID]uuid.UUID) {
	switch {
	case b.MergedInto != uuid.Nil:
		v.checkCategoryExists(subject, b.MergedInto)
		return
	case b.CategoryID != uuid.Nil:
		v.checkCategoryExists(subject, b.CategoryID)
	}
	if other, taken := byCategory[b.CategoryID]; taken {
		v.report(store.GuaranteeRows, subject, "budget %s has the same category", other)
	}
	byCategory[b.CategoryID] = b.ID
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
	subject := "recurrence " + rule.ID.String()
	v.checkListed(store.RuleRow, rule.ID, rule.Version, rule.Guard)
	v.checkValid(subject, rule.Validate())
	v.checkCategoryExists(subject, rule.CategoryID)
	if !rule.Next.IsZero() && !rule.SettledThrough.IsZero() && !rule.Next.After(rule.SettledThrough) {
		v.report(store.GuaranteeRows, subject, "its next occurrence is %s, but occurrences up to %s are already settled",
			rule.Next, rule.SettledThrough)
	}
}
