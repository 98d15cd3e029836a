package expense

import (
	"sort"
)

//go:generate go run ./internal/cldr

// A Currency is an active or historic currency of ISO 4217. The zero Currency is no currency. Compare currencies with
// ==.
type Currency struct {
	n uint16 // the index in currencyTable plus 1
}

// currencyRow is a row of the generated currencyTable.
type currencyRow struct {
	code   string
	digits uint8 // the number of decimals of ISO 4217
	from   int32 // the first day as legal tender, YYYYMMDD; 0: unknown
	until  int32 // the last day as legal tender, YYYYMMDD; 0: still legal tender
}

// ParseCurrency parses an ISO 4217 code of three capital letters. The error is [ErrInvalid].
func ParseCurrency(code string) (Currency, error) {
	if len(code) == 3 {
		i := sort.Search(len(currencyTable), func(i int) bool { return currencyTable[i].code >= code })
		if i < len(currencyTable) && currencyTable[i].code == code {
			return Currency{n: uint16(i + 1)}, nil
		}
	}
	return Currency{}, invalid("unknown_currency",
		"%s is not an ISO 4217 currency code; give one such as EUR", QuoteText(code))
}

// MustCurrency is [ParseCurrency] for constants. It panics on an error.
func MustCurrency(code string) Currency {
	currency, err := ParseCurrency(code)
	if err != nil {
		panic(err)
	}
	return currency
}

// Currencies returns all currencies, ordered by code.
func Currencies() []Currency {
	all := make([]Currency, len(currencyTable))
	for i := range all {
		all[i].n = uint16(i + 1)
	}
	return all
}

func (c Currency) row() currencyRow {
	if c.n == 0 {
		return currencyRow{}
	}
	return currencyTable[c.n-1]
}

// IsZero reports whether c is the zero Currency.
func (c Currency) IsZero() bool { return c.n == 0 }

// Code returns the three letters of ISO 4217, or "" for the zero Currency.
func (c Currency) Code() string { return c.row().code }

// maxDigits is the largest number of decimals that a currency has.
const maxDigits = 4

// Digits returns the number of decimals of amounts in c, by ISO 4217: 0 for JPY, 2 for EUR, 3 for KWD, 4 for CLF.
func (c Currency) Digits() int { return int(c.row().digits) }

// LegalTender returns the days on which c is legal tender in at least one country. A zero From is unknown; a zero To
// means that c is still legal tender.
func (c Currency) LegalTender() Range {
	row := c.row()
	return Range{From: Date{ymd: row.from}, To: Date{ymd: row.until}}
}

// EndedBefore reports whether c ceased to be legal tender in every country before d.
func (c Currency) EndedBefore(d Date) bool {
	until := c.LegalTender().To
	return !until.IsZero() && until.Before(d)
}

// Compare returns a negative number if the code of c sorts before that of other, 0 if they are equal, and a positive
// number otherwise. The zero Currency sorts first.
func (c Currency) Compare(other Currency) int { return int(c.n) - int(other.n) }

// String returns the code.
func (c Currency) String() string { return c.Code() }

// MarshalText returns [Currency.Code].
func (c Currency) MarshalText() ([]byte, error) { return []byte(c.Code()), nil }

// UnmarshalText parses the output of [Currency.MarshalText]. The error is [ErrInvalid].
func (c *Currency) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*c = Currency{}
		return nil
	}
	currency, err := ParseCurrency(string(text))
	if err != nil {
		return err
	}
	*c = currency
	return nil
}
