package expense

import (
	"time"

	"github.com/google/uuid"
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

// Merged says what merging one category into another did.
type Merged struct {
	Version  Version
	Expenses int       // moved
	Rules    int       // moved
	Budget   uuid.UUID // the source's budget series, or Nil where it had none that was in force
	Until    Month     // the last month of that series; zero when it had not begun and was deleted
}

// starters are the names a new ledger's categories have; the last is the default.
var starters = [...]string{
	"Food", "Transport", "Housing", "Utilities", "Health", "Entertainment", "Shopping", "Travel", "Education", "Other",
}

// starterSpace is the namespace of the starter categories' ids.
var starterSpace = uuid.MustParse("6c7a3f4e-2f0b-5a7e-9b57-3d1f6a0c8e21")

// A NewLedger is what a ledger begins with: settings and the starter categories, whose ids depend on the owner alone, so
// that making it twice makes the same.
type NewLedger struct {
	Settings   Settings
	Categories []Category
}

// StarterLedger returns a new ledger of owner, made at now. Its default category is "Other".
func StarterLedger(owner OwnerID, settings Settings, now time.Time) NewLedger {
	ledger := NewLedger{Settings: settings}
	for _, name := range starters {
		ledger.Categories = append(ledger.Categories, Category{
			ID:        uuid.NewSHA1(starterSpace, []byte(string(owner)+"/"+name)),
			Name:      name,
			CreatedAt: Instant(now),
			UpdatedAt: Instant(now),
		})
	}
	ledger.Settings.DefaultCategory = ledger.Categories[len(starters)-1].ID
	return ledger
}

// Instant returns t as every store keeps it: in UTC, cut to whole microseconds.
func Instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
