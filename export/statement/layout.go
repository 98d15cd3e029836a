package statement

import (
	"slices"
	"strings"
	"time"

	"github.com/spendwise/spendwise/expense"
)

// A layout is a date's layout, split: digits of a year, a month or a day, and the texts between them.
type layout []layoutPart

type layoutPart struct {
	kind     byte   // 'Y', 'M' or 'D'; 0: a text
	min, max int    // how many digits
	text     string // of a text
}

// layoutTokens are the tokens of a layout; of two that begin alike the longer comes first.
var layoutTokens = [...]struct {
	token string
	part  layoutPart
}{
	{"YYYY", layoutPart{kind: 'Y', min: 4, max: 4}},
	{"YY", layoutPart{kind: 'Y', min: 2, max: 2}},
	{"MM", layoutPart{kind: 'M', min: 2, max: 2}},
	{"M", layoutPart{kind: 'M', min: 1, max: 2}},
	{"DD", layoutPart{kind: 'D', min: 2, max: 2}},
	{"D", layoutPart{kind: 'D', min: 1, max: 2}},
}

// parseLayout reads a layout such as DD-MM-YYYY; an empty one is YYYY-MM-DD. The error is ErrInvalid.
func parseLayout(text string) (layout, error) {
	if text == "" {
		text = "YYYY-MM-DD"
	}
	malformed := func(detail string) (layout, error) {
		return nil, &expense.InvalidError{Code: "malformed_layout", Detail: detail}
	}
	if len(text) > 32 {
		return malformed("a date's layout has at most 32 bytes")
	}
	var parts layout
	var kinds []byte
	for text != "" {
		part := layoutPart{text: text[:1]}
		for _, known := range layoutTokens {
			if strings.HasPrefix(text, known.token) {
				part = known.part
				part.text = known.token
				break
			}
		}
		text = text[len(part.text):]
		switch last := len(parts) - 1; {
		case part.kind == 0 && isAlphanumeric(part.text[0]):
			return malformed(
				"a date's layout is made of YYYY or YY, MM or M, DD or D and signs between them, such as DD-MM-YYYY")
		case part.kind == 0 && last >= 0 && parts[last].kind == 0:
			parts[last].text += part.text
			continue
		case part.kind != 0 && last >= 0 && parts[last].kind != 0 && parts[last].min != parts[last].max:
			return malformed("M and D take one digit or two, so a sign must follow them; write MM or DD if there are always two")
		}
		if part.kind != 0 {
			kinds = append(kinds, part.kind)
		}
		parts = append(parts, part)
	}
	slices.Sort(kinds)
	if string(kinds) != "DMY" {
		return malformed("a date's layout names a year, a month and a day, each once, such as DD-MM-YYYY")
	}
	return parts, nil
}

// parseLayouts reads layouts with bars between them. They name year, month and day in one order, so that no date is two
// dates. The error is ErrInvalid.
func parseLayouts(text string) ([]layout, error) {
	var layouts []layout
	for part := range strings.SplitSeq(text, "|") {
		parsed, err := parseLayout(part)
		if err != nil {
			return nil, err
		}
		if len(layouts) > 0 && parsed.order() != layouts[0].order() {
			return nil, &expense.InvalidError{
				Code: "malformed_layout", Detail: "the layouts between bars name year, month and day in one order, or a date " +
					"could be two",
			}
		}
		layouts = append(layouts, parsed)
	}
	return layouts, nil
}

// order returns in which order the layout names year, month and day.
func (l layout) order() string {
	var kinds []byte
	for _, part := range l {
		if part.kind != 0 {
			kinds = append(kinds, part.kind)
		}
	}
	return string(kinds)
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}

// date reads a date by the layout; a time of day after it is ignored. A year of two digits lies from 1970 to 2069.
func (l layout) date(text string) (expense.Date, bool) {
	var year, month, day int
	for _, part := range l {
		if part.kind == 0 {
			var found bool
			if text, found = strings.CutPrefix(text, part.text); !found {
				return expense.Date{}, false
			}
			continue
		}
		n, digits := 0, 0
		for digits < part.max && digits < len(text) && '0' <= text[digits] && text[digits] <= '9' {
			n = n*10 + int(text[digits]-'0')
			digits++
		}
		if digits < part.min {
			return expense.Date{}, false
		}
		text = text[digits:]
		switch {
		case part.kind == 'M':
			month = n
		case part.kind == 'D':
			day = n
		case part.max == 4:
			year = n
		case n < 70:
			year = 2000 + n
		default:
			year = 1900 + n
		}
	}
	if text != "" && !isTime(text) {
		return expense.Date{}, false
	}
	date, err := expense.NewDate(year, time.Month(month), day)
	return date, err == nil
}

// isTime reports whether what follows a date is a time of day: a blank, a comma or a T, an hour, and minutes.
func isTime(text string) bool {
	clock := strings.TrimLeft(text, " ,T\u00a0\u202f")
	hour := strings.TrimLeft(clock, "0123456789")
	digits := len(clock) - len(hour)
	return len(clock) < len(text) && 1 <= digits && digits <= 2 && len(hour) >= 3 &&
		strings.ContainsRune(":.h", rune(hour[0])) &&
		'0' <= hour[1] && hour[1] <= '9' && '0' <= hour[2] && hour[2] <= '9'
}
