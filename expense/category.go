package expense

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// MaxCategories is the maximum number of categories in a ledger.
const MaxCategories = 1000

// A Category groups expenses. Every expense has one.
type Category struct {
	ID        uuid.UUID
	Name      string // 1 to 60 characters in NFC; no other category of the ledger has the same name, compared by [Fold]
	Colour    string // #rrggbb in lower case, or empty
	Icon      string // a name of at most 40 letters, digits, '-' and '_', or empty
	Archived  bool   // an archived category takes no new expenses; its stored expenses stay
	Version   Version
	CreatedAt time.Time // in UTC, in whole microseconds
	UpdatedAt time.Time // in UTC, in whole microseconds
}

// A MergeResult is the result of [MergeCategories].
type MergeResult struct {
	Version     Version
	Expenses    int       // number of moved expenses
	Rules       int       // number of moved recurring rules
	BudgetID    uuid.UUID // the budget that the merge ended or deleted; Nil: none, or it had ended before
	BudgetUntil Month     // the last month of that budget; zero if it was deleted because it had not begun
}

// starterNames are the names of a new ledger's categories. The last one is the default category.
var starterNames = [...]string{
	"Food", "Transport", "Housing", "Utilities", "Health", "Entertainment", "Shopping", "Travel", "Education", "Other",
}

// starterNamespace is the UUID namespace of the starter categories' ids.
var starterNamespace = uuid.MustParse("6c7a3f4e-2f0b-5a7e-9b57-3d1f6a0c8e21")

// An InitialLedger is the content of a new ledger: settings and the starter categories. The ids of the categories
// depend only on the owner, so that creating the same ledger again creates the same rows.
type InitialLedger struct {
	Settings   Settings
	Categories []Category
}

// NewInitialLedger returns the initial ledger of owner, created at now. It has ten starter categories with English
// names: Food, Transport, Housing, Utilities, Health, Entertainment, Shopping, Travel, Education, and Other, which is
// the default category.
func NewInitialLedger(owner OwnerID, settings Settings, now time.Time) InitialLedger {
	ledger := InitialLedger{Settings: settings}
	for _, name := range starterNames {
		ledger.Categories = append(ledger.Categories, Category{
			ID:        uuid.NewSHA1(starterNamespace, []byte(string(owner)+"/"+name)),
			Name:      name,
			CreatedAt: Timestamp(now),
			UpdatedAt: Timestamp(now),
		})
	}
	ledger.Settings.DefaultCategory = ledger.Categories[len(starterNames)-1].ID
	return ledger
}

// Timestamp returns t with the precision of every store: in UTC, truncated to microseconds.
func Timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// A CategoryDraft is a new category as text from a user or a request. The fields have the limits of [Category]. Name is
// required. An empty ID and a nil field are not given. Their defaults are a new id, no colour, no icon, and not
// archived.
type CategoryDraft struct {
	ID       string // a UUID; default: a new UUID of version 7
	Name     string
	Colour   *string
	Icon     *string
	Archived *bool
}

// A CategoryPatch changes a category. A nil field keeps the stored value.
type CategoryPatch struct {
	Name     *string
	Colour   *string
	Icon     *string
	Archived *bool
}

// An AddCategoryResult is the result of [AddCategory].
type AddCategoryResult struct {
	Category Category
	Created  bool // false if the category existed; it is unchanged then
}

// AddCategory adds a category. It is idempotent for a draft with an id: if the category with the id equals every given
// field of the draft, AddCategory changes nothing, and Created is false. It returns ErrExists if the stored category
// differs, a [NameExistsError] if another category has the name, and ErrGone if the id belongs to a deleted category.
// It returns ErrInvalid with all field errors if the draft is invalid, or if the ledger already has [MaxCategories]
// categories.
func AddCategory(ctx context.Context, tx Tx, env Env, draft CategoryDraft) (AddCategoryResult, error) {
	var errs ValidationErrors
	c := Category{CreatedAt: Timestamp(env.Now), UpdatedAt: Timestamp(env.Now)}
	var err error
	if draft.ID == "" {
		if c.ID, err = uuid.NewV7(); err != nil {
			return AddCategoryResult{}, fmt.Errorf("new id: %w", err)
		}
	} else {
		c.ID, err = ParseID(draft.ID)
		_ = errs.AddError("id", err)
	}
	patch := CategoryPatch{Name: &draft.Name, Colour: draft.Colour, Icon: draft.Icon, Archived: draft.Archived}
	patch.apply(&errs, &c)
	if draft.ID != "" && errs.Err() == nil {
		stored, err := tx.Category(ctx, c.ID)
		switch {
		case errors.Is(err, ErrGone) || err != nil && !errors.Is(err, ErrNotFound):
			return AddCategoryResult{}, categoryError(c.ID, 0, err)
		case err == nil:
			patched := stored
			patch.apply(&errs, &patched)
			if patched != stored {
				return AddCategoryResult{}, categoryError(c.ID, stored.Version, ErrExists)
			}
			return AddCategoryResult{Category: stored}, nil
		}
	}
	all, err := tx.Categories(ctx)
	if err != nil {
		return AddCategoryResult{}, fmt.Errorf("categories: %w", err)
	}
	if i := slices.IndexFunc(all, func(other Category) bool { return Fold(other.Name) == Fold(c.Name) }); i >= 0 {
		if errs.Err() == nil {
			return AddCategoryResult{}, &NameExistsError{Existing: all[i]}
		}
	} else if len(all) >= MaxCategories {
		errs.Add("", "too_many", "the ledger has %d categories, the maximum; merge some of them first", len(all))
	}
	if err := errs.Err(); err != nil {
		return AddCategoryResult{}, err
	}
	if c.Version, err = tx.PutCategories(ctx, c); err != nil {
		return AddCategoryResult{}, categoryError(c.ID, 0, err)
	}
	return AddCategoryResult{Category: c, Created: true}, nil
}

// NewCategory returns a new category with this name, to be stored with PutCategories. The error is [ErrInvalid] with
// errors of the field "name".
func NewCategory(env Env, name string) (Category, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return Category{}, fmt.Errorf("new id: %w", err)
	}
	c := Category{ID: id, CreatedAt: Timestamp(env.Now), UpdatedAt: Timestamp(env.Now)}
	var errs ValidationErrors
	CategoryPatch{Name: &name}.apply(&errs, &c)
	return c, errs.Err()
}

// A NameExistsError reports that another category has the name. It matches ErrExists.
type NameExistsError struct {
	Existing Category // the other category
}

func (e *NameExistsError) Error() string {
	return fmt.Sprintf("category named %q: %v; it is category %s", e.Existing.Name, ErrExists, e.Existing.ID)
}

// Unwrap returns ErrExists.
func (e *NameExistsError) Unwrap() error { return ErrExists }

// categoryError adds the category, and its version if that is known, to err.
func categoryError(id uuid.UUID, version Version, err error) error {
	return &RowError{Type: "category", ID: id, Version: version, Err: err}
}

// apply sets the patch's fields in c and adds their errors to errs.
func (p CategoryPatch) apply(errs *ValidationErrors, c *Category) {
	if p.Name != nil {
		c.Name = norm.NFC.String(strings.TrimSpace(*p.Name))
		if n := utf8.RuneCountInString(c.Name); n < 1 || n > 60 {
			errs.Add("name", "bad_length", "the name has %d characters; give 1 to 60", n)
		}
		if c.Name != "" && !strings.ContainsFunc(c.Name, visible) {
			errs.Add("name", "invisible", "the name %s has no visible character; add a letter, a digit or a symbol",
				QuoteText(c.Name))
		}
		if unclean := findUnclean(*p.Name, ""); unclean != "" {
			errs.Add("name", "control_character", "the name contains %s; give UTF-8 without control characters",
				QuoteText(unclean))
		}
		if i := strings.IndexFunc(*p.Name, isBidiControl); i >= 0 {
			r, _ := utf8.DecodeRuneInString((*p.Name)[i:])
			errs.Add("name", "bidi_control", "the name contains %s, which reorders text; remove it", QuoteText(string(r)))
		}
	}
	if p.Colour != nil {
		c.Colour = strings.ToLower(*p.Colour)
		if !isColour(c.Colour) {
			errs.Add("colour", "malformed", "colour %s is malformed; write it like #1e90ff", QuoteText(*p.Colour))
		}
	}
	if p.Icon != nil {
		c.Icon = *p.Icon
		if !isIcon(c.Icon) {
			errs.Add("icon", "malformed",
				"icon %s is malformed; give at most 40 letters, digits, '-' and '_'", QuoteText(c.Icon))
		}
	}
	if p.Archived != nil {
		c.Archived = *p.Archived
	}
}

func isColour(text string) bool {
	if text == "" {
		return true
	}
	return len(text) == 7 && text[0] == '#' && strings.Trim(text[1:], "0123456789abcdef") == ""
}

func isIcon(text string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"
	return len(text) <= 40 && strings.Trim(text, allowed) == ""
}

// ChangeCategory applies patch to a category. It returns ErrNotFound or ErrGone if the category does not exist,
// ErrStale if cond does not hold, a [NameExistsError] if another category has the name, and ErrInvalid with all field
// errors. The default category cannot be archived. A patch that changes nothing writes nothing.
func ChangeCategory(
	ctx context.Context, tx Tx, env Env, id uuid.UUID, patch CategoryPatch, cond Precondition,
) (Category, error) {
	old, err := tx.Category(ctx, id)
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err != nil {
		return Category{}, categoryError(id, old.Version, err)
	}
	var errs ValidationErrors
	c := old
	patch.apply(&errs, &c)
	if c.Archived && !old.Archived {
		settings, err := tx.Settings(ctx)
		if err != nil {
			return Category{}, fmt.Errorf("settings: %w", err)
		}
		if settings.DefaultCategory == id {
			errs.Add("archived", "default_category",
				"the default category cannot be archived; choose another default in the settings first")
		}
	}
	if err := errs.Err(); err != nil {
		return Category{}, err
	}
	if c == old {
		return old, nil
	}
	c.UpdatedAt = Timestamp(env.Now)
	c.Version, err = tx.PutCategories(ctx, c)
	if errors.Is(err, ErrExists) {
		if existing, lookupErr := tx.CategoryByName(ctx, c.Name); lookupErr == nil {
			err = &NameExistsError{Existing: existing}
		}
	}
	if err != nil {
		return Category{}, categoryError(id, old.Version, err)
	}
	return c, nil
}

// DeleteCategory deletes a category and leaves a tombstone. It returns ErrInUse if other rows refer to the category:
// archive or merge it instead. It returns ErrNotFound if the id is unknown and ErrStale if cond does not hold. While
// the tombstone exists, deleting the category again returns nil and ignores cond.
func DeleteCategory(ctx context.Context, tx Tx, id uuid.UUID, cond Precondition) error {
	old, err := tx.Category(ctx, id)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err == nil {
		_, err = tx.DeleteCategory(ctx, id)
	}
	if err != nil {
		return categoryError(id, old.Version, err)
	}
	return nil
}

// MergeCategories moves all expenses and recurring rules of the category source to the category target, and then
// deletes source. The budget of source ends in the month before the current one, or is deleted if it has not begun by
// then. The budget of target does not change.
//
// MergeCategories returns ErrNotFound or ErrGone if source does not exist. It returns ErrInvalid if source is the
// default category, or if target does not exist, is archived or equals source.
func MergeCategories(ctx context.Context, tx Tx, env Env, source, target uuid.UUID) (MergeResult, error) {
	settings, err := tx.Settings(ctx)
	if err != nil {
		return MergeResult{}, fmt.Errorf("settings: %w", err)
	}
	if _, err := tx.Category(ctx, source); err != nil {
		return MergeResult{}, categoryError(source, 0, err)
	}
	var errs ValidationErrors
	category, err := tx.Category(ctx, target)
	switch {
	case errors.Is(err, ErrNotFound):
		errs.Add("into", "unknown_category", "the ledger has no category %s; give an existing one", target)
	case err != nil:
		return MergeResult{}, categoryError(target, 0, err)
	case target == source:
		errs.Add("into", "same_category", "category %s cannot be merged into itself; give another category", target)
	case category.Archived:
		errs.Add("into", "archived_category", "category %q is archived; give an active one", category.Name)
	}
	if settings.DefaultCategory == source {
		errs.Add("", "default_category",
			"the default category cannot be merged into another; choose another default in the settings first")
	}
	if err := errs.Err(); err != nil {
		return MergeResult{}, err
	}
	result, err := tx.MergeCategory(ctx, source, target, settings.Today(env.Now).Month())
	if err != nil {
		return MergeResult{}, fmt.Errorf("merge category %s into %s: %w", source, target, err)
	}
	return result, nil
}
