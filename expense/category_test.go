package expense_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/store"
)

func (b *testLedger) tryAddCategory(draft expense.CategoryDraft) (added expense.AddCategoryResult, err error) {
	err = b.update(func(tx store.Tx) error {
		added, err = expense.AddCategory(b.t.Context(), tx, b.env, draft)
		return err
	})
	return added, err
}

func (b *testLedger) tryChangeCategory(id uuid.UUID, patch expense.CategoryPatch) (c expense.Category, err error) {
	err = b.update(func(tx store.Tx) error {
		c, err = expense.ChangeCategory(b.t.Context(), tx, b.env, id, patch, expense.Precondition{})
		return err
	})
	return c, err
}

func (b *testLedger) tryMerge(from, into uuid.UUID) (merged expense.MergeResult, err error) {
	err = b.update(func(tx store.Tx) error {
		merged, err = expense.MergeCategories(b.t.Context(), tx, b.env, from, into)
		return err
	})
	return merged, err
}

func TestNewInitialLedger_HasStarterCategories(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	categories, err := b.store.Reader(b.owner).Categories(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range categories {
		names = append(names, c.Name)
	}
	const want = "Education Entertainment Food Health Housing Other Shopping Transport Travel Utilities"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if b.settings().DefaultCategory != b.category("Other").ID {
		t.Error("the default category is not Other")
	}
}

func TestAddCategory(t *testing.T) {
	id := uuid.New()
	tests := []struct {
		name   string
		draft  expense.CategoryDraft
		want   error
		errs   []string
		stored string
	}{
		{
			name:   "with everything",
			draft:  expense.CategoryDraft{ID: id.String(), Name: " Café ", Colour: new("#1E90FF"), Icon: new("cup")},
			stored: "Café",
		},
		{name: "a name that is taken in other letters", draft: expense.CategoryDraft{Name: "FOOD"}, want: expense.ErrExists},
		{
			name: "a name that is taken, accents decomposed", draft: expense.CategoryDraft{Name: "Ma\u0302che"},
			want: expense.ErrExists,
		},
		{name: "no name", draft: expense.CategoryDraft{Name: "  "}, errs: []string{"name bad_length"}},
		{
			name: "a name that cannot be seen", draft: expense.CategoryDraft{Name: "\u200b\ufeff"},
			errs: []string{"name invisible"},
		},
		{
			name: "sixty runes are enough", draft: expense.CategoryDraft{Name: strings.Repeat("漢", 60)},
			stored: strings.Repeat("漢", 60),
		},
		{
			name: "sixty-one are too many", draft: expense.CategoryDraft{Name: strings.Repeat("漢", 61)},
			errs: []string{"name bad_length"},
		},
		{
			name: "a name that would turn what stands beside it", draft: expense.CategoryDraft{Name: "Food \u202e"},
			errs: []string{"name bidi_control"},
		},
		{
			name: "a name with an isolate", draft: expense.CategoryDraft{Name: "\u2066Food"},
			errs: []string{"name bidi_control"},
		},
		{name: "a name that runs from right to left", draft: expense.CategoryDraft{Name: "טיולים"}, stored: "טיולים"},
		{name: "the longest icon", draft: expense.CategoryDraft{Name: "A", Icon: new(strings.Repeat("i", 40))}, stored: "A"},
		{
			name: "an icon too long", draft: expense.CategoryDraft{Name: "A", Icon: new(strings.Repeat("i", 41))},
			errs: []string{"icon malformed"},
		},
		{
			name: "a colour of three digits", draft: expense.CategoryDraft{Name: "A", Colour: new("#abc")},
			errs: []string{"colour malformed"},
		},
		{
			name: "a colour without its sign", draft: expense.CategoryDraft{Name: "A", Colour: new("1e90ff0")},
			errs: []string{"colour malformed"},
		},
		{
			name: "a colour of other letters", draft: expense.CategoryDraft{Name: "A", Colour: new("#1e90fg")},
			errs: []string{"colour malformed"},
		},
		{name: "everything wrong",
			draft: expense.CategoryDraft{ID: "1", Name: "a\tb", Colour: new("red"), Icon: new("<svg>")},
			errs:  []string{"id malformed_id", "name control_character", "colour malformed", "icon malformed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := openLedger(t, "EUR", nil)
			if _, err := b.tryAddCategory(expense.CategoryDraft{Name: "Mâche"}); err != nil {
				t.Fatal(err)
			}
			added, err := b.tryAddCategory(tt.draft)
			switch {
			case tt.errs != nil:
				wantFieldErrors(t, err, tt.errs...)
			case !errors.Is(err, tt.want):
				t.Errorf("error %v, want %v", err, tt.want)
			case err == nil && (added.Category != b.category(tt.stored) || !added.Created):
				t.Errorf("got %+v, stored %+v", added, b.category(tt.stored))
			}
		})
	}
}

func TestAddCategory_RepeatedID(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	draft := expense.CategoryDraft{ID: uuid.NewString(), Name: "Books", Colour: new("#aabbcc")}
	first, err := b.tryAddCategory(draft)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := b.tryAddCategory(draft); err != nil || again.Created || again.Category != first.Category {
		t.Errorf("again: %+v, %v", again, err)
	}
	draft.Name = "Papers"
	if _, err := b.tryAddCategory(draft); !errors.Is(err, expense.ErrExists) {
		t.Errorf("other content: %v, want ErrExists", err)
	}
	for range 2 {
		if err := b.update(func(tx store.Tx) error {
			return expense.DeleteCategory(t.Context(), tx, first.Category.ID, expense.Precondition{})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.tryAddCategory(draft); !errors.Is(err, expense.ErrGone) {
		t.Errorf("a deleted id: %v, want ErrGone", err)
	}
}

func TestAddCategory_RejectsTooManyCategories(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	err := b.update(func(tx store.Tx) error {
		batch := make([]expense.Category, expense.MaxCategories-10)
		for i := range batch {
			batch[i] = expense.Category{ID: uuid.New(), Name: fmt.Sprint("c", i), CreatedAt: noon, UpdatedAt: noon}
		}
		_, err := tx.PutCategories(t.Context(), batch...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.tryAddCategory(expense.CategoryDraft{Name: "one more"})
	wantFieldErrors(t, err, " too_many")
	_, err = b.tryAddCategory(expense.CategoryDraft{Name: "one more", Colour: new("red")})
	wantFieldErrors(t, err, "colour malformed", " too_many")
	if _, err := b.tryAddCategory(expense.CategoryDraft{Name: "FOOD"}); !errors.Is(err, expense.ErrExists) {
		t.Errorf("a name that is taken in a full ledger: %v, want ErrExists", err)
	}
}

func TestCategory_NameExistsErrorHasOtherCategory(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	food := b.category("food")
	_, addErr := b.tryAddCategory(expense.CategoryDraft{Name: "FOOD"})
	changeErr := b.update(func(tx store.Tx) error {
		patch := expense.CategoryPatch{Name: new("fooD")}
		_, err := expense.ChangeCategory(t.Context(), tx, b.env, b.category("travel").ID, patch, expense.Precondition{})
		return err
	})
	for _, err := range []error{addErr, changeErr} {
		taken, ok := errors.AsType[*expense.NameExistsError](err)
		if !ok || taken.Existing != food || !errors.Is(err, expense.ErrExists) {
			t.Errorf("got %v, want a NameExistsError with %+v", err, food)
		}
	}
}

func TestChangeCategory_RejectsRemovingDefaultCategory(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	def := b.settings().DefaultCategory
	_, err := b.tryChangeCategory(def, expense.CategoryPatch{Archived: new(true)})
	wantFieldErrors(t, err, "archived default_category")
	_, err = b.tryMerge(def, b.category("Food").ID)
	wantFieldErrors(t, err, " default_category")
	err = b.update(func(tx store.Tx) error { return expense.DeleteCategory(t.Context(), tx, def, expense.Precondition{}) })
	if !errors.Is(err, expense.ErrInUse) {
		t.Errorf("deleting it: %v, want ErrInUse", err)
	}
	if renamed, err := b.tryChangeCategory(def, expense.CategoryPatch{Name: new("Misc")}); err != nil ||
		renamed != b.category("misc") {
		t.Errorf("renaming it: %+v, %v", renamed, err)
	}
}

func TestMergeCategories_MovesExpensesOfCategoryInUse(t *testing.T) {
	b := openLedger(t, "EUR", march)
	food, travel := b.category("Food"), b.category("Travel")
	moved := b.add(expense.Draft{Amount: "5", Currency: "USD", Category: "Food"})
	stays := b.add(expense.Draft{Amount: "6", Category: "Travel"})
	err := b.update(func(tx store.Tx) error {
		return expense.DeleteCategory(t.Context(), tx, food.ID, expense.Precondition{})
	})
	if !errors.Is(err, expense.ErrInUse) {
		t.Errorf("deleting it: %v, want ErrInUse", err)
	}
	merged, err := b.tryMerge(food.ID, travel.ID)
	if err != nil || merged.Expenses != 1 || merged.Version != stays.Version+1 {
		t.Fatalf("got %+v, %v", merged, err)
	}
	want := moved
	want.CategoryID, want.Version = travel.ID, merged.Version
	if got := b.get(moved.ID); got != want {
		t.Errorf("the moved expense is %+v, want %+v", got, want)
	}
	if got := b.get(stays.ID); got != stays {
		t.Errorf("the other changed: %+v", got)
	}
	if _, err := b.store.Reader(b.owner).Category(t.Context(), food.ID); !errors.Is(err, expense.ErrGone) {
		t.Errorf("the merged category: %v, want ErrGone", err)
	}
}

func TestMergeCategories_RejectsInvalidTargets(t *testing.T) {
	b := openLedger(t, "EUR", nil)
	food, travel := b.category("Food").ID, b.category("Travel").ID
	if _, err := b.tryChangeCategory(travel, expense.CategoryPatch{Archived: new(true)}); err != nil {
		t.Fatal(err)
	}
	_, err := b.tryMerge(food, travel)
	wantFieldErrors(t, err, "into archived_category")
	_, err = b.tryMerge(food, food)
	wantFieldErrors(t, err, "into same_category")
	_, err = b.tryMerge(food, uuid.New())
	wantFieldErrors(t, err, "into unknown_category")
	if _, err = b.tryMerge(uuid.New(), food); !errors.Is(err, expense.ErrNotFound) {
		t.Errorf("merging what never was: %v", err)
	}
}
