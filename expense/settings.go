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

// An OwnerID names who a ledger belongs to: the host's own opaque text of 1 to 64 bytes.
type OwnerID string

// Validate reports a text that is no owner's id as ErrInvalid.
func (o OwnerID) Validate() error {
	if len(o) == 0 || len(o) > 64 || !cleanText(string(o), "") {
		return &InvalidError{Field: "owner", Code: "malformed", Detail: "an owner's id is 1 to 64 bytes of UTF-8 without control characters"}
	}
	return nil
}

// A Version counts the changes of one ledger: 1 when it is made, one more for each Update that writes, without a gap. A row
// carries the version of the Update that last wrote it; 0 is no version.
type Version int64

// A Zone is a time zone of the IANA database, such as Europe/Berlin. The zero Zone is UTC.
type Zone struct {
	loc *time.Location
}

// ParseZone reads the name of a zone of the IANA database. The error is ErrInvalid.
func ParseZone(name string) (Zone, error) {
	if name == "UTC" {
		return Zone{}, nil
	}
	var loc *time.Location
	var err error
	if namesZone(name) {
		loc, err = time.LoadLocation(name)
	}
	if loc == nil || err != nil {
		return Zone{}, invalid("unknown_zone", "%s is not a time zone of the IANA database, such as Europe/Berlin", quoteTruncated(name))
	}
	return Zone{loc: loc}, nil
}

// namesZone reports whether a name means the same on every machine. LoadLocation takes "" for UTC and "Local" for the machine's
// zone; it also reads what lies beside the database in a system's folder: the machine's own zone again, zones that count leap
// seconds, and each file by a path of any spelling.
func namesZone(name string) bool {
	switch name {
	case "Local", "localtime", "posixrules":
		return false
	}
	return len(name) <= 64 && path.Clean(name) == name && !strings.HasPrefix(name, "posix/") && !strings.HasPrefix(name, "right/")
}

// Location returns the zone for use with package time.
func (z Zone) Location() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

// String returns the zone's name.
func (z Zone) String() string { return z.Location().String() }

// Today returns the civil date in the zone at instant now.
func (z Zone) Today(now time.Time) Date { return DateOf(now, z.Location()) }

// Settings are what a ledger is kept by.
type Settings struct {
	Home            Currency   // every total is in this currency
	Zone            Zone       // decides which day is today
	Locale          string     // a BCP 47 tag; figures for people are written by its rules
	FiscalYearStart time.Month // the month a fiscal year begins with
	DefaultCategory uuid.UUID  // where an expense without a category goes; never archived
	Version         Version    // set by the store
}

// SettingsDraft is a change of settings as a person or a wire gives it. A nil member leaves what is there, or in a new
// ledger takes the default: EUR, UTC, en, January.
type SettingsDraft struct {
	HomeCurrency      *string
	TimeZone          *string
	Locale            *string
	FiscalYearStart   *int
	DefaultCategoryID *string
}

// NewSettings returns the settings of a new ledger; its default category is the starter category "Other". The error lists
// every fault and is ErrInvalid.
func NewSettings(draft SettingsDraft) (Settings, error) {
	euro := MustCurrency("EUR")
	return Settings{Home: euro, Locale: "en", FiscalYearStart: time.January}.With(draft)
}

// With returns the settings with the draft's members put in. Whether the default category exists is not checked here. The
// error lists every fault and is ErrInvalid.
func (s Settings) With(draft SettingsDraft) (Settings, error) {
	var faults ValidationErrors
	if draft.HomeCurrency != nil {
		home, err := ParseCurrency(*draft.HomeCurrency)
		_ = faults.AddError("home_currency", err)
		s.Home = home
	}
	// A zone that is named again stays the value it is, so that equal settings compare with ==.
	if draft.TimeZone != nil && *draft.TimeZone != s.Zone.String() {
		zone, err := ParseZone(*draft.TimeZone)
		_ = faults.AddError("time_zone", err)
		s.Zone = zone
	}
	if draft.Locale != nil {
		tag, err := language.Parse(*draft.Locale)
		if err != nil || len(*draft.Locale) > 35 {
			faults.Add("locale", "unknown_locale", "%s is not a language tag of BCP 47, such as en-GB", quoteTruncated(*draft.Locale))
		}
		s.Locale = tag.String()
	}
	if draft.FiscalYearStart != nil {
		if *draft.FiscalYearStart < 1 || *draft.FiscalYearStart > 12 {
			faults.Add("fiscal_year_start", "impossible_month", "a month is a number from 1 to 12, not %d", *draft.FiscalYearStart)
		}
		s.FiscalYearStart = time.Month(*draft.FiscalYearStart)
	}
	if draft.DefaultCategoryID != nil {
		id, err := ParseID(*draft.DefaultCategoryID)
		_ = faults.AddError("default_category_id", err)
		s.DefaultCategory = id
	}
	return s, faults.Err()
}

// Today returns the civil date in the ledger's zone at instant now.
func (s Settings) Today(now time.Time) Date { return s.Zone.Today(now) }

// ParseID reads a UUID in its usual form of 36 characters. The error is ErrInvalid.
func ParseID(text string) (uuid.UUID, error) {
	id, err := uuid.Parse(text)
	if err != nil || len(text) != 36 || id == uuid.Nil {
		return uuid.Nil, invalid("malformed_id", "%s is not a UUID such as 0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70", quoteTruncated(strings.ToValidUTF8(text, "�")))
	}
	return id, nil
}

// A ChangeSettingsResult is what a change of settings did.
type ChangeSettingsResult struct {
	Settings     Settings
	Reconversion *ReconversionResult // nil if the home currency stayed
}

// ReconversionResult counts a ledger's expenses after its home currency changed.
type ReconversionResult struct {
	Converted int // into the new home currency, each at its own date
	Pending   int // for which there is no rate
}

// ChangeSettings changes what draft names; ErrStale if cond does not hold. A new home currency re-rates every expense at its
// own date, all in this one step; a rate given by hand is carried over by the rate between the old and the new home
// currency of that date, else the expense is pending. The limits of budgets are the business of package budget, whose
// ChangeSettings includes this one. A draft that changes nothing takes no version.
func ChangeSettings(ctx context.Context, tx Tx, env Env, draft SettingsDraft, cond Precondition) (ChangeSettingsResult, error) {
	old, err := tx.Settings(ctx)
	if err == nil {
		err = cond.CheckPresent(old.Version)
	}
	if err != nil {
		return ChangeSettingsResult{}, fmt.Errorf("settings: %w", err)
	}
	var faults ValidationErrors
	settings, err := old.With(draft)
	_ = faults.AddError("", err)
	if settings.DefaultCategory != old.DefaultCategory && !faults.Has("default_category_id") {
		category, err := tx.Category(ctx, settings.DefaultCategory)
		switch {
		case errors.Is(err, ErrNotFound):
			faults.Add("default_category_id", "unknown_category", "the ledger has no category %s", settings.DefaultCategory)
		case err != nil:
			return ChangeSettingsResult{}, fmt.Errorf("category %s: %w", settings.DefaultCategory, err)
		case category.Archived:
			faults.Add("default_category_id", "archived_category", "the category %q is archived and cannot be the default", category.Name)
		}
	}
	if settings.Home != old.Home && settings.Home.EndedBefore(old.Today(env.Now)) {
		faults.Add("home_currency", "currency_ended", "%s ended on %s", settings.Home, settings.Home.LegalTender().To)
	}
	if err := faults.Err(); err != nil {
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
