package statement

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/expense/locale"
)

// An order is the order in which dates name the year, the month and the day. A set of orders is a bit mask.
type order uint8

const (
	orderYMD order = 1 << iota
	orderDMY
	orderMDY
	orderSerial       // the day number of a spreadsheet
	noOrder     order = 0
	allOrders         = orderYMD | orderDMY | orderMDY | orderSerial
)

// dateLayouts lists the layouts that a mapping names, by order.
var dateLayouts = []struct {
	order  order
	layout string
}{{orderYMD, "YYYY-MM-DD"}, {orderDMY, "DD/MM/YYYY"}, {orderMDY, "MM/DD/YYYY"}, {orderSerial, "serial"}}

func layoutOf(o order) string {
	for _, l := range dateLayouts {
		if l.order == o {
			return l.layout
		}
	}
	return ""
}

// parseLayout returns the order of a layout such as DD-MM-YYYY, D.M.YY or "serial". Only the order of the letters Y, M
// and D counts. The error is ErrInvalid.
func parseLayout(layout string) (order, error) {
	if strings.EqualFold(layout, "serial") {
		return orderSerial, nil
	}
	letters := slices.Compact(slices.DeleteFunc([]byte(strings.ToUpper(layout)), func(b byte) bool {
		return b != 'Y' && b != 'M' && b != 'D'
	}))
	switch string(letters) {
	case "YMD":
		return orderYMD, nil
	case "DMY":
		return orderDMY, nil
	case "MDY":
		return orderMDY, nil
	}
	return 0, &expense.InvalidError{Code: "malformed_layout", Detail: "layout " + quote(layout) +
		` does not name a year, a month and a day; give one such as "DD/MM/YYYY", "MM/DD/YYYY" or "YYYY-MM-DD"`}
}

// dateFillers lists words that dates contain beside numbers and names.
const dateFillers = `st nd rd th er º ª de del di of the den d the année 年 月 日 년 월 일 г года р a las at um kl`

// genitives lists the names of months within a date, where package locale has only the names alone.
const genitives = `января февраля марта апреля мая июня июля августа сентября октября ноября декабря
січня лютого березня квітня травня червня липня серпня вересня жовтня листопада грудня
студзеня лютага сакавіка красавіка мая чэрвеня ліпеня жніўня верасня кастрычніка лістапада снежня
ledna února března dubna května června července srpna září října listopadu prosince
januára februára marca apríla mája júna júla augusta septembra októbra novembra decembra
ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου δεκεμβρίου
tammikuuta helmikuuta maaliskuuta huhtikuuta toukokuuta kesäkuuta heinäkuuta elokuuta syyskuuta
lokakuuta marraskuuta joulukuuta
sausio vasario kovo balandžio gegužės birželio liepos rugpjūčio rugsėjo spalio lapkričio gruodžio`

// dateWords holds what the words of a date mean: 1 to 12 for a month, and wordIgnored. A month that has the name in
// Croatian only is in the upper half of the byte.
var dateWords = sync.OnceValue(func() map[string]uint8 {
	words := map[string]uint8{}
	// Some names are different months in different languages. The languages with most bank files come last and win.
	major := []string{"ms", "fi", "el", "uk", "ru", "tr", "ro", "hu", "cs", "pl", "da", "sv", "nl",
		"it", "pt", "fr", "es", "de", "en"}
	byLocale := map[string][][]string{}
	for name, months := range locale.MonthNames() {
		byLocale[name] = append(byLocale[name], months)
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(byLocale)), func(name string) bool {
		return slices.Contains(major, name) || name == "hr"
	})
	add := func(names []string) {
		for _, name := range names {
			for _, months := range byLocale[name] {
				for i, month := range months {
					words[foldMonth(month)] = uint8(i + 1)
				}
			}
		}
	}
	add(names)
	for line := range strings.Lines(genitives) {
		for i, month := range strings.Fields(line) {
			words[foldMonth(month)] = uint8(i + 1)
		}
	}
	for word := range strings.FieldsSeq(weekdayNames + " " + dateFillers) {
		words[foldMonth(word)] = wordIgnored
	}
	add(major)
	for _, months := range byLocale["hr"] {
		for i, month := range months {
			words[foldMonth(month)] = words[foldMonth(month)]&0x0f | uint8(i+1)<<4
		}
	}
	for _, more := range []struct {
		month uint8
		name  string
	}{{9, "sept"}, {3, "mrz"}, {3, "maerz"}, {6, "june"}, {7, "july"}} {
		words[more.name] = more.month
	}
	delete(words, "")
	return words
})

// wordIgnored marks a word that has no influence on the date.
const wordIgnored = 0x0f

func foldMonth(name string) string { return strings.TrimRight(expense.Fold(name), ".") }

// A dateCell is the content of a cell that holds a date.
type dateCell struct {
	numbers [3]int
	widths  [3]int
	count   int
	month   int  // named by a word; 0: none
	monthAt int  // how many numbers stand before the month's name
	dotted  bool // points separate the numbers: no country writes the month first then
	clash   bool // the month's name means another month in Croatian
	croat   bool // the name is Croatian only
	foreign bool // the name is not Croatian
	serial  bool // one number, perhaps with a fraction
	clock   time.Duration
	zone    *time.Location // nil: the cell names no zone
	timed   bool
}

// parseDateCell splits a cell. It returns false for a text that is no date in any order.
func parseDateCell(cell string, croatian bool) (dateCell, bool) {
	text := plainText(cell)
	if len(text) > 64 || len(text) < 4 {
		return dateCell{}, false
	}
	var d dateCell
	text, ok := d.cutClock(text)
	if !ok {
		return d, false
	}
	if onlyDigits(strings.Replace(text, ".", "", 1)) && strings.Count(text, ".") <= 1 && digitsBefore(text) == 5 {
		d.serial, d.count = true, 1
		d.numbers[0], d.widths[0] = number(text[:5]), 5
		return d, 20_000 <= d.numbers[0] && d.numbers[0] <= 80_000 // 1954 to 2119
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case '0' <= c && c <= '9':
			n := digitsBefore(text[i:])
			if d.count == 3 || n > 8 {
				return d, false
			}
			d.numbers[d.count], d.widths[d.count] = number(text[i:i+n]), n
			d.count++
			i += n
			if d.count == 1 && i < len(text) && text[i] == '.' && i+1 < len(text) && text[i+1] != ' ' {
				d.dotted = true
			}
		case strings.IndexByte(" /.-,'", c) >= 0:
			i++
		default:
			n := strings.IndexFunc(text[i:], func(r rune) bool { return !unicode.IsLetter(r) && r != 'º' && !unicode.IsMark(r) })
			if n < 0 {
				n = len(text) - i
			}
			if n == 0 || !d.word(text[i:i+n], croatian) {
				return d, false
			}
			i += n
		}
	}
	return d, d.count == 3 && d.month == 0 || d.count == 2 && d.month > 0 || d.count == 1 && d.month == 0 &&
		(d.widths[0] == 8 || d.widths[0] == 6)
}

func (d *dateCell) word(word string, croatian bool) bool {
	value, known := dateWords()[foldMonth(word)]
	if !known {
		return false
	}
	if value == wordIgnored {
		return true
	}
	month, croat := value&0x0f, value>>4
	if month == wordIgnored {
		month = 0
	}
	d.clash = d.clash || month != 0 && croat != 0 && month != croat
	d.croat, d.foreign = d.croat || month == 0, d.foreign || croat == 0
	if month == 0 || croatian && croat != 0 {
		month = croat
	}
	if d.month != 0 {
		return d.month == int(month)
	}
	d.month, d.monthAt = int(month), d.count
	return true
}

// cutClock removes the time of day and its zone from text. It returns false if the time does not exist.
func (d *dateCell) cutClock(text string) (string, bool) {
	colon := strings.IndexByte(text, ':')
	if colon < 0 {
		if len(text) == 14 && onlyDigits(text) { // YYYYMMDDHHMMSS
			return text[:8], true
		}
		return text, true
	}
	start := colon
	for start > 0 && '0' <= text[start-1] && text[start-1] <= '9' {
		start--
	}
	hour, rest := number(text[start:colon]), text[colon+1:]
	n := digitsBefore(rest)
	minute := number(rest[:n])
	rest = rest[n:]
	second := 0
	if strings.HasPrefix(rest, ":") {
		n = digitsBefore(rest[1:])
		second, rest = number(rest[1:1+n]), rest[1+n:]
		if len(rest) > 1 && (rest[0] == '.' || rest[0] == ',') {
			rest = strings.TrimLeft(rest[1:], "0123456789")
		}
	}
	rest = strings.TrimSpace(rest)
	switch half := strings.ToUpper(strings.ReplaceAll(rest[:min(len(rest), 4)], ".", "")); {
	case strings.HasPrefix(half, "PM") && hour < 12:
		hour += 12
	case strings.HasPrefix(half, "AM") && hour == 12:
		hour = 0
	}
	if upper := strings.ToUpper(rest); strings.HasPrefix(upper, "AM") || strings.HasPrefix(upper, "PM") {
		rest = strings.TrimSpace(rest[2:])
	} else if strings.HasPrefix(upper, "A.M.") || strings.HasPrefix(upper, "P.M.") {
		rest = strings.TrimSpace(rest[4:])
	}
	if start == colon || hour > 24 || minute > 59 || second > 60 {
		return "", false
	}
	d.timed = true
	d.clock = time.Duration(hour*3600+minute*60+second) * time.Second
	if zone, ok := parseZone(rest); ok {
		d.zone, rest = zone, ""
	}
	before := text[:start]
	if n := len(before); n > 0 && (before[n-1] == 'T' || before[n-1] == 't') && n > 1 && '0' <= before[n-2] &&
		before[n-2] <= '9' {
		before = before[:n-1]
	}
	return strings.Trim(before+" "+rest, " ,"), true
}

// parseZone parses "Z", "UTC", "GMT" and offsets such as "+02:00", "-0700" and "GMT+2".
func parseZone(text string) (*time.Location, bool) {
	upper := strings.ToUpper(strings.Trim(text, "()[] "))
	for _, name := range []string{"UTC", "GMT"} {
		if rest, ok := strings.CutPrefix(upper, name); ok {
			upper = "+0" + rest
			if rest != "" {
				upper = rest
			}
			break
		}
	}
	if upper == "Z" || upper == "+0" {
		return time.UTC, true
	}
	if len(upper) < 2 || upper[0] != '+' && upper[0] != '-' {
		return nil, false
	}
	digits := strings.Replace(upper[1:], ":", "", 1)
	if !onlyDigits(digits) || len(digits) > 4 {
		return nil, false
	}
	hours, minutes := number(digits), 0
	if len(digits) > 2 {
		hours, minutes = number(digits[:len(digits)-2]), number(digits[len(digits)-2:])
	}
	if hours > 14 || minutes > 59 {
		return nil, false
	}
	offset := hours*3600 + minutes*60
	if upper[0] == '-' {
		offset = -offset
	}
	return time.FixedZone(upper, offset), true
}

// in returns the date in an order. It returns false if there is no such date.
func (d *dateCell) in(o order) (expense.Date, bool) {
	var year, month, day, yearWidth int
	switch {
	case d.serial:
		if o != orderSerial {
			return expense.Date{}, false
		}
		return serialEpoch.AddDays(d.numbers[0]), true
	case o == orderSerial:
		return expense.Date{}, false
	case d.count == 1:
		first, second, third := splitDigits(d.numbers[0], d.widths[0], o)
		parts := [3]int{first, second, third}
		return dateOf(parts, o, d.widths[0]-4)
	case d.month != 0:
		month, day, year, yearWidth = d.month, d.numbers[0], d.numbers[1], d.widths[1]
		if d.widths[0] == 4 || o == orderYMD && d.widths[0] == d.widths[1] && d.monthAt > 0 {
			day, year, yearWidth = d.numbers[1], d.numbers[0], d.widths[0]
		}
		return newDate(year, yearWidth, month, day)
	}
	switch {
	case d.widths[0] == 4 && o != orderYMD, d.widths[2] == 4 && o == orderYMD, o == orderMDY && d.dotted,
		o == orderYMD && d.widths[0] < 4 && d.widths[0] != 2:
		return expense.Date{}, false
	case o == orderYMD:
		return dateOf(d.numbers, o, d.widths[0])
	}
	return dateOf(d.numbers, o, d.widths[2])
}

// serialEpoch is day 0 of the numbers that spreadsheets give to days after 1900-02-28.
var serialEpoch = expense.MustDate("1899-12-30")

// splitDigits splits a date of eight or six digits without separators.
func splitDigits(n, width int, o order) (first, second, third int) {
	if o == orderYMD {
		return n / 10000, n / 100 % 100, n % 100
	}
	year := 1
	for range width - 4 {
		year *= 10
	}
	return n / year / 100, n / year % 100, n % year
}

func dateOf(parts [3]int, o order, yearWidth int) (expense.Date, bool) {
	switch o {
	case orderYMD:
		return newDate(parts[0], yearWidth, parts[1], parts[2])
	case orderDMY:
		return newDate(parts[2], yearWidth, parts[1], parts[0])
	default:
		return newDate(parts[2], yearWidth, parts[0], parts[1])
	}
}

// newDate returns a date. A year of two digits lies from 1970 to 2069.
func newDate(year, yearWidth, month, day int) (expense.Date, bool) {
	switch {
	case yearWidth == 2 && year < 70:
		year += 2000
	case yearWidth == 2:
		year += 1900
	case yearWidth != 4:
		return expense.Date{}, false
	}
	date, err := expense.NewDate(year, time.Month(month), day)
	return date, err == nil
}

// orders returns the orders in which the cell is a date.
func (d *dateCell) orders() order {
	set := noOrder
	for _, l := range dateLayouts {
		if _, ok := d.in(l.order); ok {
			set |= l.order
		}
	}
	if d.month != 0 && set&orderDMY != 0 {
		// The name of the month leaves no doubt. The order counts only for the other cells of the column.
		return allOrders &^ orderSerial
	}
	return set
}

// A dateFormat says how a column writes dates.
type dateFormat struct {
	order    order
	croatian bool
	source   *time.Location // the zone of times that name none; nil: their date is the ledger's
	zone     *time.Location // the ledger's zone
}

// parse returns the date of a cell. An instant becomes the date in the ledger's zone.
func (f dateFormat) parse(cell string) (expense.Date, bool) {
	d, ok := parseDateCell(cell, f.croatian)
	if !ok {
		return expense.Date{}, false
	}
	date, ok := d.in(f.order)
	switch { // a year of four digits at the start, and the day number of a spreadsheet, are clear in any column
	case !ok && d.widths[0] == 4 && d.count == 3:
		date, ok = d.in(orderYMD)
	case !ok && d.serial:
		date, ok = d.in(orderSerial)
	}
	zone := d.zone
	if zone == nil && d.timed {
		zone = f.source
	}
	if !ok || zone == nil {
		return date, ok
	}
	midnight := time.Date(date.Year(), date.MonthOfYear(), date.Day(), 0, 0, 0, 0, zone)
	return expense.DateOf(midnight.Add(d.clock), f.zone), true
}

func digitsBefore(text string) int {
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	return n
}

// number returns the value of at most nine digits; a longer text has the value of its first nine.
func number(digits string) int {
	n := 0
	for i := range min(len(digits), 9) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}
