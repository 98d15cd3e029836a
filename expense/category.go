package expense

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

// MaxCategories is how many categories a ledger holds at most.
const MaxCategories = 1000

// A Category is what expenses are sorted by.
type Category struct {
	ID        uuid.UUID
	Name      string // 1 to 60 runes, composed (NFC), unique in the ledger by [Fold]
	Colour    string // "#rrggbb", or empty
	Icon      string // a name of at most 40 letters, digits, '-' and '_', or empty
	Archived  bool   // takes no new expenses; history stays
	Version   Version
	CreatedAt time.Time // UTC, whole microseconds
	UpdatedAt time.Time // UTC, whole microseconds
}

// MergeResult says what merging one category into another did.
type MergeResult struct {
	Version     Version
	Expenses    int       // moved
	Rules       int       // moved
	BudgetID    uuid.UUID // the source's budget series, or Nil where it had none that was in force
	BudgetUntil Month     // the last month of that series; zero when it had not begun and was deleted
}

// starters are the names a new ledger's categories have; the last is the default.
var starters = [...]string{
	"Food", "Transport", "Housing", "Utilities", "Health", "Entertainment", "Shopping", "Travel", "Education", "Other",
}

// starterSpace is the namespace of the starter categories' ids.
var starterSpace = uuid.MustParse("6c7a3f4e-2f0b-5a7e-9b57-3d1f6a0c8e21")

// A InitialLedger is what a ledger begins with: settings and the starter categories, whose ids depend on the owner alone, so
// that making it twice makes the same.
type InitialLedger struct {
	Settings   Settings
	Categories []Category
}

// NewInitialLedger returns a new ledger of owner, made at now. Its default category is "Other".
func NewInitialLedger(owner OwnerID, settings Settings, now time.Time) InitialLedger {
	ledger := InitialLedger{Settings: settings}
	for _, name := range starters {
		ledger.Categories = append(ledger.Categories, Category{
			ID:        uuid.NewSHA1(starterSpace, []byte(string(owner)+"/"+name)),
			Name:      name,
			CreatedAt: Timestamp(now),
			UpdatedAt: Timestamp(now),
		})
	}
	ledger.Settings.DefaultCategory = ledger.Categories[len(starters)-1].ID
	return ledger
}

// Timestamp returns t as every store keeps it: in UTC, cut to whole microseconds.
func Timestamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// A CategoryDraft is a new category as a person or a wire gives it. What is empty or nil was not given.
type CategoryDraft struct {
	ID       string // a UUID; not given: a new one of version 7
	Name     string
	Colour   *string
	Icon     *string
	Archived *bool
}

// A CategoryPatch is a change of a category. A nil member leaves what is there.
type CategoryPatch struct {
	Name     *string
	Colour   *string
	Icon     *string
	Archived *bool
}

// AddCategoryResult is a category that is in the ledger now.
type AddCategoryResult struct {
	Category Category
	Created  bool // false: it was there already, every member given equal to the stored one
}

// AddCategory adds a category. ErrExists if the name is taken, or the id by other content; a deleted id is ErrGone. ValidationErrors
// are ErrInvalid, all of them at once.
func AddCategory(ctx context.Context, tx Tx, env Env, draft CategoryDraft) (AddCategoryResult, error) {
	var faults ValidationErrors
	c := Category{CreatedAt: Timestamp(env.Now), UpdatedAt: Timestamp(env.Now)}
	var err error
	if draft.ID == "" {
		if c.ID, err = uuid.NewV7(); err != nil {
			return AddCategoryResult{}, fmt.Errorf("new id: %w", err)
		}
	} else {
		c.ID, err = ParseID(draft.ID)
		_ = faults.AddError("id", err)
	}
	patch := CategoryPatch{Name: &draft.Name, Colour: draft.Colour, Icon: draft.Icon, Archived: draft.Archived}
	patch.apply(&faults, &c)
	if err := faults.Err(); err != nil {
		return AddCategoryResult{}, err
	}
	if draft.ID != "" {
		stored, err := tx.Category(ctx, c.ID)
		switch {
		case errors.Is(err, ErrGone) || err != nil && !errors.Is(err, ErrNotFound):
			return AddCategoryResult{}, fmt.Errorf("category %s: %w", c.ID, err)
		case err == nil:
			same := stored
			patch.apply(&faults, &same)
			if same != stored {
				return AddCategoryResult{}, fmt.Errorf("category %s: %w", c.ID, ErrExists)
			}
			return AddCategoryResult{Category: stored}, nil
		}
	}
	all, err := tx.Categories(ctx)
	if err != nil {
		return AddCategoryResult{}, fmt.Errorf("categories: %w", err)
	}
	if len(all) >= MaxCategories {
		// A name that is taken is ErrExists, as it is below the limit.
		switch _, err := tx.CategoryByName(ctx, c.Name); {
		case errors.Is(err, ErrNotFound):
			faults.Add("", "too_many", "a ledger holds at most %d categories; merge some that are not needed", MaxCategories)
			return AddCategoryResult{}, faults.Err()
		case err != nil:
			return AddCategoryResult{}, fmt.Errorf("category %q: %w", c.Name, err)
		}
	}
	if c.Version, err = tx.PutCategories(ctx, c); err != nil {
		return AddCategoryResult{}, fmt.Errorf("category %q: %w", c.Name, err)
	}
	return AddCategoryResult{Category: c, Created: true}, nil
}

// apply puts the patch's members into c and notes the rules they break.
func (p CategoryPatch) apply(faults *ValidationErrors, c *Category) {
	if p.Name != nil {
		c.Name = norm.NFC.String(strings.TrimSpace(*p.Name))
		if n := utf8.RuneCountInString(c.Name); n < 1 || n > 60 {
			faults.Add("name", "bad_length", "a name has 1 to 60 characters, this one has %d", n)
		}
		if c.Name != "" && !strings.ContainsFunc(c.Name, visible) {
			faults.Add("name", "invisible", "a name has a letter, a digit or a sign that can be seen")
		}
		if !cleanText(*p.Name, "") {
			faults.Add("name", "control_character", "a name is UTF-8 text without control characters")
		}
		if hasBidi(*p.Name) {
			faults.Add("name", "bidi_control", "a name has none of the characters that reorder text, such as U+202E: figures beside it would be turned round")
		}
	}
	if p.Colour != nil {
		c.Colour = strings.ToLower(*p.Colour)
		if !isColour(c.Colour) {
			faults.Add("colour", "malformed", "a colour is written like #1e90ff")
		}
	}
	if p.Icon != nil {
		c.Icon = *p.Icon
		if !isIcon(c.Icon) {
			faults.Add("icon", "malformed", "an icon is a name of at most 40 letters, digits, '-' and '_'")
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

// ChangeCategory changes what patch names. The default category cannot be archived. ErrExists if the name is taken,
// ErrStale if cond does not hold. A patch that changes nothing takes no version.
func ChangeCategory(ctx context.Context, tx Tx, env Env, id uuid.UUID, patch CategoryPatch, cond Precondition) (Category, error) {
	old, err := tx.Category(ctx, id)
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err != nil {
		return Category{}, fmt.Errorf("category %s: %w", id, err)
	}
	var faults ValidationErrors
	c := old
	patch.apply(&faults, &c)
	if c.Archived && !old.Archived {
		settings, err := tx.Settings(ctx)
		if err != nil {
			return Category{}, fmt.Errorf("settings: %w", err)
		}
		if settings.DefaultCategory == id {
			faults.Add("archived", "default_category", "the default category cannot be archived; name another one in the settings first")
		}
	}
	if err := faults.Err(); err != nil {
		return Category{}, err
	}
	if c == old {
		return old, nil
	}
	c.UpdatedAt = Timestamp(env.Now)
	if c.Version, err = tx.PutCategories(ctx, c); err != nil {
		return Category{}, fmt.Errorf("category %q: %w", c.Name, err)
	}
	return c, nil
}

// DeleteCategory deletes a category to which nothing refers, else ErrInUse: one in use is archived or merged. Deleting it
// again is no error while the tombstone is kept, whatever cond says.
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
		return fmt.Errorf("category %s: %w", id, err)
	}
	return nil
}

// MergeCategories moves everything from one category into another and deletes the first: its expenses and rules move, its
// budget ends with the month before this one, the other's budget stays. The default category cannot go, nothing goes into
// an archived one.
func MergeCategories(ctx context.Context, tx Tx, env Env, from, into uuid.UUID) (MergeResult, error) {
	settings, err := tx.Settings(ctx)
	if err != nil {
		return MergeResult{}, fmt.Errorf("settings: %w", err)
	}
	if _, err := tx.Category(ctx, from); err != nil {
		return MergeResult{}, fmt.Errorf("category %s: %w", from, err)
	}
	var faults ValidationErrors
	target, err := tx.Category(ctx, into)
	switch {
	case errors.Is(err, ErrNotFound):
		faults.Add("into", "unknown_category", "the ledger has no category %s", into)
	case err != nil:
		return MergeResult{}, fmt.Errorf("category %s: %w", into, err)
	case into == from:
		faults.Add("into", "same_category", "a category cannot be merged into itself")
	case target.Archived:
		faults.Add("into", "archived_category", "the category %q is archived and takes no expenses", target.Name)
	}
	if settings.DefaultCategory == from {
		faults.Add("", "default_category", "the default category cannot be merged into another; name another default in the settings first")
	}
	if err := faults.Err(); err != nil {
		return MergeResult{}, err
	}
	merged, err := tx.MergeCategory(ctx, from, into, settings.Today(env.Now).Month())
	if err != nil {
		return MergeResult{}, fmt.Errorf("merge category %s into %s: %w", from, into, err)
	}
	return merged, nil
}
