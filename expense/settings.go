package expense

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/language"
)

// An OwnerID identifies the owner of a ledger. The host chooses it: 1 to 64 bytes of UTF-8 without control characters.
type OwnerID string

// Validate returns an [ErrInvalid] if o is not a valid OwnerID.
func (o OwnerID) Validate() error {
	if len(o) == 0 || len(o) > 64 || !cleanText(string(o), "") {
		var errs ValidationErrors
		errs.Add("owner", "malformed",
			"owner id %s is malformed; give 1 to 64 bytes of UTF-8 without control characters", QuoteText(string(o)))
		return errs.Err()
	}
	return nil
}

// A Version is the number of an Update, which is a write transaction of one ledger; see [Tx]. A new ledger has version
// 1. Each Update that writes a row increases the version by 1. A row has the version of the Update that last wrote it.
// 0 is no version.
type Version int64

// A Zone is a time zone of the IANA Time Zone Database, such as Europe/Berlin. The zero Zone is UTC.
type Zone struct {
	loc *time.Location
}

// ParseZone returns the zone with this name in the IANA Time Zone Database. The error is [ErrInvalid].
func ParseZone(name string) (Zone, error) {
	if name == "UTC" {
		return Zone{}, nil
	}
	var loc *time.Location
	var err error
	if isPortableZone(name) {
		loc, err = time.LoadLocation(name)
	}
	if loc == nil || err != nil {
		return Zone{}, invalid("unknown_zone",
			"%s is not an IANA time zone; give one such as Europe/Berlin", QuoteText(name))
	}
	return Zone{loc: loc}, nil
}

// isPortableZone reports whether a name has the same meaning on every machine. [time.LoadLocation] accepts more names:
// "" and "Local", files in the system's zoneinfo folder such as localtime and zones with leap seconds, and names that
// are not clean paths.
func isPortableZone(name string) bool {
	switch name {
	case "Local", "localtime", "posixrules":
		return false
	}
	return len(name) <= 64 && path.Clean(name) == name &&
		!strings.HasPrefix(name, "posix/") && !strings.HasPrefix(name, "right/")
}

// Location returns the zone as a [time.Location].
func (z Zone) Location() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

// String returns the zone's name.
func (z Zone) String() string { return z.Location().String() }

// MarshalText implements [encoding.TextMarshaler]. The text is the name.
func (z Zone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]. It accepts what [ParseZone] accepts.
func (z *Zone) UnmarshalText(text []byte) error {
	zone, err := ParseZone(string(text))
	if err == nil {
		*z = zone
	}
	return err
}

// Today returns the date in the zone at instant now.
func (z Zone) Today(now time.Time) Date { return DateOf(now, z.Location()) }

// Settings are the settings of a ledger.
type Settings struct {
	Home            Currency   // the home currency, into which all expenses are converted
	Zone            Zone       // the time zone that determines which date is today
	Locale          string     // a BCP 47 tag; texts for people are in this locale
	FiscalYearStart time.Month // the first month of the fiscal year
	DefaultCategory uuid.UUID  // the category of expenses that are added without one; never archived
	Version         Version    // the version of the last write; set by the store
}

// A SettingsDraft is a change of settings as text from a user or a request. A nil field keeps the stored value. In a
// new ledger, a nil field means the default: EUR, UTC, en, January.
type SettingsDraft struct {
	HomeCurrency      *string
	TimeZone          *string
	Locale            *string
	FiscalYearStart   *int
	DefaultCategoryID *string
}

// NewSettings returns the settings of a new ledger. [NewInitialLedger] sets their default category. The error is
// [ErrInvalid] with all field errors.
func NewSettings(draft SettingsDraft) (Settings, error) {
	euro := MustCurrency("EUR")
	return Settings{Home: euro, Locale: "en", FiscalYearStart: time.January}.With(draft)
}

// With returns the settings changed by draft. It does not check that the default category exists. The error is
// [ErrInvalid] with all field errors.
func (s Settings) With(draft SettingsDraft) (Settings, error) {
	var errs ValidationErrors
	if draft.HomeCurrency != nil {
		home, err := ParseCurrency(*draft.HomeCurrency)
		_ = errs.AddError("home_currency", err)
		s.Home = home
	}
	// A Zone holds a pointer. Keep it if the name is the same, so that == reports equal settings as equal.
	if draft.TimeZone != nil && *draft.TimeZone != s.Zone.String() {
		zone, err := ParseZone(*draft.TimeZone)
		_ = errs.AddError("time_zone", err)
		s.Zone = zone
	}
	if draft.Locale != nil {
		tag, err := language.Parse(*draft.Locale)
		if err != nil || len(*draft.Locale) > 35 {
			errs.Add("locale", "unknown_locale",
				"%s is not a BCP 47 language tag; give one such as en-GB", QuoteText(*draft.Locale))
		}
		s.Locale = tag.String()
	}
	if draft.FiscalYearStart != nil {
		if *draft.FiscalYearStart < 1 || *draft.FiscalYearStart > 12 {
			errs.Add("fiscal_year_start", "impossible_month", "month %d is out of range; give 1 to 12", *draft.FiscalYearStart)
		}
		s.FiscalYearStart = time.Month(*draft.FiscalYearStart)
	}
	if draft.DefaultCategoryID != nil {
		id, err := ParseID(*draft.DefaultCategoryID)
		_ = errs.AddError("default_category_id", err)
		s.DefaultCategory = id
	}
	return s, errs.Err()
}

// Today returns the date in the ledger's time zone at instant now.
func (s Settings) Today(now time.Time) Date { return s.Zone.Today(now) }

// ParseID parses a UUID in its form of 36 characters. It rejects the Nil UUID. The error is [ErrInvalid].
func ParseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 || id == uuid.Nil {
		return uuid.Nil, invalid("malformed_id", "%s is not a UUID; write it like 0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70",
			QuoteText(text))
	}
	return id, nil
}

// CheckSettings returns the ledger's settings changed by draft, as [ChangeSettings] would write them. It writes
// nothing. If the draft is invalid, the error is [ErrInvalid] with all field errors, and the fields of the result
// without an error are those of the draft.
func CheckSettings(ctx context.Context, r Reader, env Env, draft SettingsDraft) (Settings, error) {
	old, err := r.Settings(ctx)
	if err != nil {
		return Settings{}, fmt.Errorf("settings: %w", err)
	}
	var errs ValidationErrors
	settings, err := old.With(draft)
	_ = errs.AddError("", err)
	if settings.DefaultCategory != old.DefaultCategory && !errs.Has("default_category_id") {
		category, err := r.Category(ctx, settings.DefaultCategory)
		switch {
		case errors.Is(err, ErrNotFound):
			errs.Add("default_category_id", "unknown_category",
				"the ledger has no category %s; create it or give another", settings.DefaultCategory)
		case err != nil:
			return Settings{}, fmt.Errorf("category %s: %w", settings.DefaultCategory, err)
		case category.Archived:
			errs.Add("default_category_id", "archived_category", "category %q is archived; give an active one as the default",
				category.Name)
		}
	}
	if settings.Home != old.Home && settings.Home.EndedBefore(old.Today(env.Now)) {
		errs.Add("home_currency", "currency_ended", "%s ceased to be legal tender on %s; give a current currency",
			settings.Home, settings.Home.LegalTender().To)
	}
	return settings, errs.Err()
}

// A ChangeSettingsResult is the result of [ChangeSettings].
type ChangeSettingsResult struct {
	Settings     Settings
	Reconversion *ReconversionResult // nil if the home currency did not change
}

// A ReconversionResult counts a ledger's expenses after a change of its home currency.
type ReconversionResult struct {
	Converted int // expenses that were converted into the new home currency
	Pending   int // expenses for which there is no rate
}

// ChangeSettings applies draft to the settings. It returns ErrStale if cond does not hold, and ErrInvalid with all
// field errors. A draft that changes nothing writes nothing.
//
// If the home currency changes, ChangeSettings converts every expense again, by the rate of the expense's date. It
// multiplies a rate that the user gave by the rate from the old to the new home currency on that date. An expense
// without a rate becomes pending.
//
// ChangeSettings does not convert the limits of budgets. To change the home currency of a ledger with budgets, call
// ChangeSettingsAndLimits of package budget, which calls ChangeSettings.
func ChangeSettings(
	ctx context.Context, tx Tx, env Env, draft SettingsDraft, cond Precondition,
) (ChangeSettingsResult, error) {
	old, err := tx.Settings(ctx)
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err != nil {
		return ChangeSettingsResult{}, &RowError{Type: "settings", Version: old.Version, Err: err}
	}
	settings, err := CheckSettings(ctx, tx, env, draft)
	if err != nil {
		return ChangeSettingsResult{}, err
	}
	if settings == old {
		return ChangeSettingsResult{Settings: old}, nil
	}
	var change ChangeSettingsResult
	var b *builder
	if settings.Home != old.Home {
		if b, err = newBuilder(ctx, tx, env); err != nil {
			return ChangeSettingsResult{}, err
		}
		b.settings = settings
		if change.Reconversion, err = b.checkReconversion(old.Home); err != nil {
			return ChangeSettingsResult{}, fmt.Errorf("convert into %s: %w", settings.Home, err)
		}
	}
	if settings.Version, err = tx.PutSettings(ctx, settings); err != nil {
		return ChangeSettingsResult{}, fmt.Errorf("settings: %w", err)
	}
	change.Settings = settings
	if b != nil {
		if err := b.reconvert(tx, old.Home); err != nil {
			return ChangeSettingsResult{}, fmt.Errorf("convert into %s: %w", settings.Home, err)
		}
	}
	return change, nil
}
