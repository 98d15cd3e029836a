package expense

import (
	"sort"
)

//go:generate go run ./internal/cldr

// A Currency is a currency of ISO 4217, active or historic. The zero Currency is none. Currencies compare with ==; their
// order in [Currencies] is that of their codes.
type Currency struct {
	n uint16 // one more than the place in currencyTable
}

// currencyRow is one row of the generated table.
type currencyRow struct {
	code   string
	digits uint8 // minor digits by ISO 4217
	from   int32 // the first day as legal tender, YYYYMMDD; 0: not known
	until  int32 // the last day as legal tender anywhere, YYYYMMDD; 0: still is
}

// ParseCurrency reads an alphabetic code of ISO 4217, three capital letters. The error is ErrInvalid.
func ParseCurrency(code string) (Currency, error) {
	if len(code) == 3 {
		i := sort.Search(len(currencyTable), func(i int) bool { return currencyTable[i].code >= code })
		if i < len(currencyTable) && currencyTable[i].code == code {
			return Currency{n: uint16(i + 1)}, nil
		}
	}
	return Currency{}, invalid("unknown_currency", "%s is not a currency code of ISO 4217, such as EUR", quoteTruncated(code))
}

// MustCurrency is ParseCurrency for constants in a program; it panics on an unknown code.
func MustCurrency(code string) Currency {
	currency, err := ParseCurrency(code)
	if err != nil {
		panic(err)
	}
	return currency
}

// Currencies returns every currency of the table, in the order of their codes.
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

// IsZero reports whether c is no currency.
func (c Currency) IsZero() bool { return c.n == 0 }

// Code returns the three letters of ISO 4217, or "" for the zero Currency.
func (c Currency) Code() string { return c.row().code }

// Digits returns how many minor digits ISO 4217 gives c: 0 for JPY, 2 for EUR, 3 for KWD, 4 for CLF.
func (c Currency) Digits() int { return int(c.row().digits) }

// Tender returns the days on which c is legal tender somewhere; an open side is not known or not yet over.
func (c Currency) LegalTender() Range {
	row := c.row()
	return Range{From: Date{ymd: row.from}, To: Date{ymd: row.until}}
}

// EndedBefore reports whether c had ceased to be legal tender everywhere before d.
func (c Currency) EndedBefore(d Date) bool {
	until := c.LegalTender().To
	return !until.IsZero() && until.Before(d)
}

// Compare orders currencies by their codes.
func (c Currency) Compare(other Currency) int { return int(c.n) - int(other.n) }

// String returns the code.
func (c Currency) String() string { return c.Code() }

// MarshalText writes the code; the zero Currency is an empty text.
func (c Currency) MarshalText() ([]byte, error) { return []byte(c.Code()), nil }

// UnmarshalText reads what MarshalText writes.
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
