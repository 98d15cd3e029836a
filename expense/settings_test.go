package expense_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"
	"time"

	"github.com/spendwise/spendwise/expense"
)

func TestParseZone_AcceptsNamesOfIANADatabase(t *testing.T) {
	for _, name := range []string{
		"UTC", "Etc/UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Pacific/Kiritimati", "Asia/Calcutta",
	} {
		zone, err := expense.ParseZone(name)
		if err != nil || zone.String() != name || zone.Location().String() != name {
			t.Errorf("ParseZone(%s) = %s, %v", name, zone, err)
		}
	}
	for _, name := range []string{
		"", "Local", "local", "utc", "europe/berlin", "Europe/Atlantis", "Europe", "Berlin", "+01:00", "CEST", " UTC", "UTC ",
		"UTC\x00",
		"../etc/passwd", "Europe/../../../../etc/passwd", "/etc/localtime", "/usr/share/zoneinfo/UTC", `Europe\Berlin`,
		"zone.tab", "\xff",
		"localtime", "posixrules", "posix/Europe/Berlin", "right/Europe/Berlin", "Europe//Berlin", "./UTC", "Europe/./Berlin",
		"Europe/Berlin/",
		strings.Repeat("Europe/", 1<<20),
	} {
		zone, err := expense.ParseZone(name)
		wantFieldError(t, err, "", "unknown_zone")
		if zone != (expense.Zone{}) {
			t.Errorf("ParseZone(%.40q) = %s beside its error", name, zone)
		}
	}
}

func TestZone_TextKeepsZone(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Berlin"} {
		zone, err := expense.ParseZone(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(zone)
		if err != nil {
			t.Fatal(err)
		}
		var read expense.Zone
		if err := json.Unmarshal(text, &read); err != nil || read.String() != name {
			t.Errorf("the zone %s as JSON is %s, which is read as %s, %v", name, text, read, err)
		}
	}
	kept, err := expense.ParseZone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if err := kept.UnmarshalText([]byte("Europe/Nowhere")); err == nil || kept.String() != "Europe/Berlin" {
		t.Errorf("UnmarshalText of an unknown zone: %v, the zone is %s", err, kept)
	}
}

func TestZone_Today(t *testing.T) {
	instant := time.Date(2026, 2, 28, 23, 30, 0, 0, time.UTC)
	berlin, err := expense.ParseZone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	if today := berlin.Today(instant); today.String() != "2026-03-01" {
		t.Errorf("in Berlin it is %s", today)
	}
	if today := (expense.Zone{}).Today(instant); today.String() != "2026-02-28" {
		t.Errorf("in the zero Zone it is %s", today)
	}
}

func TestNewSettings_FillsDefaults(t *testing.T) {
	settings, err := expense.NewSettings(expense.SettingsDraft{})
	if err != nil {
		t.Fatal(err)
	}
	if settings.Home.Code() != "EUR" || settings.Zone.String() != "UTC" || settings.Locale != "en" ||
		settings.FiscalYearStart != time.January {
		t.Errorf("the defaults are %+v", settings)
	}
}

func TestNewSettings_ReadsAllFields(t *testing.T) {
	id := "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70"
	settings, err := expense.NewSettings(expense.SettingsDraft{
		HomeCurrency: new("INR"), TimeZone: new("Asia/Kolkata"), Locale: new("hi-in"), FiscalYearStart: new(4),
		DefaultCategoryID: new(id),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf(
		"%s %s %s %s %s", settings.Home, settings.Zone, settings.Locale, settings.FiscalYearStart, settings.DefaultCategory,
	)
	if want := "INR Asia/Kolkata hi-IN April " + id; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	changed, err := settings.With(expense.SettingsDraft{Locale: new("en-IN")})
	if err != nil {
		t.Fatal(err)
	}
	if settings.Locale = "en-IN"; changed != settings {
		t.Errorf("a change of the locale gives %+v", changed)
	}
}

func TestNewSettings_ReportsAllInvalidFields(t *testing.T) {
	_, err := expense.NewSettings(expense.SettingsDraft{
		HomeCurrency: new("euro"), TimeZone: new("Mars/Olympus"), Locale: new("not a tag!"), FiscalYearStart: new(13),
		DefaultCategoryID: new("1"),
	})
	checkRefusal(t, err)
	var got []string
	for _, e := range expense.InvalidErrors(err) {
		got = append(got, e.Field+" "+e.Code)
	}
	want := []string{
		"home_currency unknown_currency", "time_zone unknown_zone", "locale unknown_locale",
		"fiscal_year_start impossible_month", "default_category_id malformed_id",
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the errs are %v, want %v", got, want)
	}
	for _, locale := range []string{
		"", "x", "\xff", "en-", "en-GB\x00", "e", strings.Repeat("en-", 12), strings.Repeat("a", 10<<20),
		strings.Repeat("en-", 3<<20),
	} {
		_, err := expense.NewSettings(expense.SettingsDraft{Locale: &locale})
		wantFieldError(t, err, "locale", "unknown_locale")
	}
	for _, month := range []int{0, -1, 13, 1 << 40} {
		_, err := expense.NewSettings(expense.SettingsDraft{FiscalYearStart: &month})
		wantFieldError(t, err, "fiscal_year_start", "impossible_month")
	}
}

func TestParseID_AcceptsOnlyCanonicalForm(t *testing.T) {
	const id = "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f70"
	for _, text := range []string{id, strings.ToUpper(id)} {
		if got, err := expense.ParseID(text); err != nil || got.String() != id {
			t.Errorf("ParseID(%s) = %s, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "1", "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), id + " ", " " + id[1:], id[:35], id + "0",
		"00000000-0000-0000-0000-000000000000", "0190a6f0-5c2b-7d6e-9a3f-2b1c4d5e6f7g", strings.Repeat("\xff", 36),
		strings.Repeat(id, 100_000),
	} {
		_, err := expense.ParseID(text)
		wantFieldError(t, err, "", "malformed_id")
	}
}

func TestOwnerID_Validate(t *testing.T) {
	for _, owner := range []expense.OwnerID{
		"a", "auth0|5f7c8ec7c33c6c004bbafe82", "Zoë", expense.OwnerID(strings.Repeat("x", 64)),
	} {
		if err := owner.Validate(); err != nil {
			t.Errorf("%q: %v", owner, err)
		}
	}
	for _, owner := range []expense.OwnerID{
		"", "a\n", "a\x00b", "\xff", expense.OwnerID(strings.Repeat("x", 65)), expense.OwnerID(strings.Repeat("é", 33)),
	} {
		if err := owner.Validate(); !errors.Is(err, expense.ErrInvalid) {
			t.Errorf("%q is taken: %v", owner, err)
		}
	}
}

func ExampleParseZone() {
	zone, err := expense.ParseZone("Pacific/Auckland")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(zone)
	fmt.Println(zone.Today(time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC)))
	_, err = expense.ParseZone("Local")
	fmt.Println(err)
	// Output:
	// Pacific/Auckland
	// 2026-03-01
	// "Local" is not an IANA time zone; give one such as Europe/Berlin
}
