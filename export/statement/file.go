package statement

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	xunicode "golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/export/statement/internal/format"
)

// The bounds of a file.
const (
	maxSniff = 64 << 10 // bytes from which the format and the encoding are detected
)

// A Format is a file format.
type Format string

// The formats.
const (
	CSV   Format = "csv" // also with tabs, semicolons or bars as delimiter
	XLSX  Format = "xlsx"
	OFX   Format = "ofx" // also QFX; 1.x in SGML and 2.x in XML
	QIF   Format = "qif"
	MT940 Format = "mt940"
	CAMT  Format = "camt" // camt.052 and camt.053 of ISO 20022
)

// A file is an opened file whose records can be read several times.
type file struct {
	r         io.ReadSeeker
	start     int64
	format    Format
	encoding  string // the canonical name of the WHATWG Encoding Standard; empty for XLSX
	returns   bool   // lines end in CR alone
	delimiter byte   // of CSV; 0: not known
	head      string // the first maxSniff bytes, decoded
	workbook  *workbook
}

const exportInstead = "export the transactions as CSV, XLSX, OFX, QIF, MT940 or CAMT.053 instead"

// foreignFiles lists the beginnings of files that are not statements.
var foreignFiles = []struct{ magic, name string }{
	{"%PDF", "a PDF document"},
	{"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls) or a workbook with a password"},
	{"\x1f\x8b", "a gzip archive"},
	{"7z\xbc\xaf", "a 7z archive"},
	{"Rar!", "a RAR archive"},
	{"BZh", "a bzip2 archive"},
	{"\xfd7zXZ", "an xz archive"},
	{"\x89PNG", "an image"},
	{"\xff\xd8\xff", "an image"},
	{"GIF8", "an image"},
	{"{\\rtf", "an RTF document"},
	{"SQLite format 3", "a database"},
	{"\x7fELF", "a program"},
}

// openFile detects the format and the encoding of a file, as far as m does not give them. The error is ErrInvalid with
// the field "file" if the file is none of the formats.
func openFile(r io.ReadSeeker, m Mapping) (*file, error) {
	start, err := r.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	head := make([]byte, maxSniff)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	head = head[:n]
	f := &file{r: r, start: start}
	if len(bytes.TrimSpace(head)) == 0 {
		return nil, format.FileError("empty_file", "the file is empty; export the transactions again")
	}
	for _, foreign := range foreignFiles {
		if bytes.HasPrefix(head, []byte(foreign.magic)) {
			return nil, format.FileError("unknown_format", "the file is %s; %s", foreign.name, exportInstead)
		}
	}
	if bytes.HasPrefix(head, []byte("PK\x03\x04")) {
		f.format = XLSX
		f.workbook, err = openWorkbook(r, start)
		return f, checkFormat(f, m, err)
	}
	if f.encoding, err = detectEncoding(head, m.Encoding); err != nil {
		return nil, err
	}
	f.head = decodeHead(head, f.encoding, n == maxSniff)
	if strings.Count(f.head, "\x00") > len(f.head)/200 {
		return nil, format.FileError("unknown_format", "the file is binary; %s", exportInstead)
	}
	f.returns = !strings.Contains(f.head, "\n") && strings.Contains(f.head, "\r")
	if f.returns {
		f.head = strings.ReplaceAll(f.head, "\r", "\n")
	}
	f.format, err = detectFormat(f.head)
	return f, checkFormat(f, m, err)
}

// checkFormat returns err, or an error if the mapping names another format than the file has.
func checkFormat(f *file, m Mapping, err error) error {
	if err == nil && m.Format != "" && m.Format != f.format {
		return format.FileError("wrong_format", "the file is %s, but the mapping says %s; omit format from the mapping",
			f.format,
			m.Format)
	}
	return err
}

var (
	htmlStart  = regexp.MustCompile(`(?i)^\s*(<!doctype html|<html|<head|<body|<table|<meta)`)
	ofxStart   = regexp.MustCompile(`(?i)^\s*(OFXHEADER|<\?OFX|<OFX>)|<OFX>`)
	camtStart  = regexp.MustCompile(`camt\.05[234]|<(\w+:)?BkToCstmr`)
	qifStart   = regexp.MustCompile(`(?i)^\s*!(type|account|option|clear)`)
	mt940Start = regexp.MustCompile(`(?m)^\s*:(20|25|28C?|60[FM]):`)
)

// detectFormat returns the format of a text.
func detectFormat(head string) (Format, error) {
	top := head[:min(len(head), 4096)]
	switch {
	case htmlStart.MatchString(top):
		return "", format.FileError("unknown_format", "the file is an HTML page, whatever its name ends in; %s",
			exportInstead)
	case ofxStart.MatchString(top):
		return OFX, nil
	case strings.HasPrefix(strings.TrimSpace(top), "<"):
		if camtStart.MatchString(head) {
			return CAMT, nil
		}
		return "", format.FileError("unknown_format", "the file is XML, but not OFX, CAMT.052 or CAMT.053; %s", exportInstead)
	case qifStart.MatchString(top):
		return QIF, nil
	case len(mt940Start.FindAllString(top, 2)) == 2:
		return MT940, nil
	case strings.HasPrefix(strings.TrimSpace(top), "{"), strings.HasPrefix(strings.TrimSpace(top), "["):
		return "", format.FileError("unknown_format", "the file is JSON; %s", exportInstead)
	}
	return CSV, nil
}

// candidateEncodings lists the encodings that detectEncoding tries on a text that is not UTF-8. Of equal ones the first
// wins.
var candidateEncodings = []string{"windows-1252", "windows-1250", "windows-1251", "gb18030", "shift_jis", "euc-kr",
	"big5",
	"windows-1253", "windows-1254", "windows-1257", "iso-8859-2", "koi8-r", "windows-1255", "windows-1256", "ibm866"}

// detectEncoding returns the canonical name of the encoding: given, or that of a byte order mark, or UTF-8, or the
// encoding in which the text contains the most names of columns and the most plausible letters.
func detectEncoding(head []byte, given string) (string, error) {
	if given != "" {
		enc, err := htmlindex.Get(given)
		if err != nil {
			return "", &expense.InvalidError{Field: "encoding", Code: "unknown_value",
				Detail: "encoding " + quote(given) +
					" is not a label of the WHATWG Encoding Standard; give one such as windows-1252"}
		}
		return htmlindex.Name(enc)
	}
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		return "utf-8", nil
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return "utf-16le", nil
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return "utf-16be", nil
	}
	var zeros [2]int // at even and at odd places: half of each ASCII character in UTF-16
	for i, b := range head {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch most := max(zeros[0], zeros[1]); {
	case most < len(head)/20 || most == 0 || min(zeros[0], zeros[1]) > most/8:
	case zeros[1] == most:
		return "utf-16le", nil
	default:
		return "utf-16be", nil
	}
	if whole := head[:len(head)-incomplete(head)]; utf8.Valid(whole) {
		return "utf-8", nil
	}
	if invalid := bytes.Count(bytes.ToValidUTF8(head, []byte{0}), []byte{0}); invalid*20 < highBytes(head) {
		return "utf-8", nil // the file is UTF-8 with a few broken lines, which then fail
	}
	best, bestScore := "", -1<<30
	for _, name := range candidateEncodings {
		enc, err := htmlindex.Get(name)
		if err != nil {
			return "", fmt.Errorf("encoding %s: %w", name, err)
		}
		if score := plausibility(enc, head); score > bestScore {
			best, bestScore = name, score
		}
	}
	return best, nil
}

// incomplete returns the number of bytes at the end of head that begin a character of UTF-8.
func incomplete(head []byte) int {
	for n := 1; n <= 3 && n <= len(head); n++ {
		if b := head[len(head)-n]; utf8.RuneStart(b) {
			if b >= utf8.RuneSelf && !utf8.FullRune(head[len(head)-n:]) {
				return n
			}
			return 0
		}
	}
	return 0
}

func highBytes(text []byte) int {
	n := 0
	for _, b := range text {
		if b >= utf8.RuneSelf {
			n++
		}
	}
	return n
}

// plausibility scores a text in an encoding: names of columns count most, letters that continue a word of their script
// count more than signs within words, and bytes that are no characters count least.
func plausibility(enc encoding.Encoding, head []byte) int {
	text, err := enc.NewDecoder().Bytes(head)
	if err != nil {
		return -1 << 30
	}
	score, previous := 0, ' '
	for _, r := range string(text) {
		if r >= utf8.RuneSelf || previous >= utf8.RuneSelf {
			score += pairScore(previous, r)
		}
		previous = r
	}
	lines := strings.SplitN(string(text), "\n", 40)
	for _, line := range lines[:min(len(lines), 39)] {
		for _, cell := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(",;\t|\"\r", r) }) {
			if len(cell) <= 60 && highBytes([]byte(cell)) > 0 && len(meaningsOf(cell)) > 0 {
				score += 50
			}
		}
	}
	return score
}

// pairScore scores two characters in sequence, of which at least one is not ASCII.
func pairScore(previous, r rune) int {
	script, before := scriptOf(r), scriptOf(previous)
	switch {
	case r == utf8.RuneError:
		return -40
	case r >= utf8.RuneSelf && unicode.Is(unicode.C, r):
		return -20
	case r >= 0xff61 && r <= 0xff9f: // half-width Katakana: two of them are often one character of another encoding
		return -1
	case script != nil && before != nil && script != before:
		return -6
	case script == nil:
		if before != nil && before != eastAsian && unicode.IsSymbol(r) {
			return -4
		}
		return 0
	case script == eastAsian && before == eastAsian:
		return 4
	case before == script && unicode.IsUpper(r) && unicode.IsLower(previous):
		return -4
	case before == script:
		return 2
	}
	return 1
}

var eastAsian = unicode.Han

// scriptOf returns the script of a letter; nil for other characters. The scripts of Chinese, Japanese and Korean count
// as one.
func scriptOf(r rune) *unicode.RangeTable {
	switch {
	case !unicode.IsLetter(r):
		return nil
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r == 'ー':
		return eastAsian
	}
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Hebrew,
		unicode.Arabic} {
		if unicode.Is(script, r) {
			return script
		}
	}
	return unicode.Other
}

// decoderOf returns the decoder of an encoding. It removes a byte order mark.
func decoderOf(name string) transform.Transformer {
	if name == "utf-8" {
		return xunicode.BOMOverride(transform.Nop)
	}
	enc, err := htmlindex.Get(name)
	if err != nil {
		panic("statement: encoding " + name + " is not in htmlindex") // detectEncoding returns only known names
	}
	return xunicode.BOMOverride(enc.NewDecoder())
}

// decodeHead decodes the first bytes of a file. cut says that the file continues.
func decodeHead(head []byte, name string, cut bool) string {
	text, _, err := transform.String(decoderOf(name), string(head))
	if err != nil && text == "" {
		return string(head)
	}
	if cut {
		if i := strings.LastIndexAny(text, "\r\n"); i > 0 {
			text = text[:i+1]
		}
	}
	return text
}

// close removes the temporary files of a workbook. It does not close the file.
func (f *file) close() error {
	if f.workbook == nil {
		return nil
	}
	return f.workbook.close()
}

// text returns the whole file as UTF-8 with LF or CRLF as line ends.
func (f *file) text() (io.Reader, error) {
	if _, err := f.r.Seek(f.start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the file again: %w", err)
	}
	var r io.Reader = transform.NewReader(bufio.NewReaderSize(f.r, 64<<10), decoderOf(f.encoding))
	if f.returns {
		r = returnReader{r}
	}
	return r, nil
}

// A returnReader replaces CR by LF.
type returnReader struct{ r io.Reader }

func (r returnReader) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	for i, b := range p[:n] {
		if b == '\r' {
			p[i] = '\n'
		}
	}
	return n, err //nolint:wrapcheck // io.EOF must stay as it is
}

// records returns a reader of all records from the beginning.
func (f *file) records() (format.Reader, error) {
	if f.format == XLSX {
		return f.workbook.records()
	}
	text, err := f.text()
	if err != nil {
		return nil, err
	}
	switch f.format {
	case OFX:
		return format.NewOFX(text), nil
	case QIF:
		return format.NewQIF(text), nil
	case MT940:
		return format.NewMT940(text), nil
	case CAMT:
		return format.NewCAMT(text), nil
	default:
		from := f.encoding
		if from == "utf-8" {
			from = ""
		}
		return format.NewCSV(text, from, f.delimiter), nil
	}
}

// bookingMapping is the mapping of format.Columns. Dates are YYYY-MM-DD; for QIF, the inspector detects them.
func bookingMapping(format Format) Mapping {
	m := Mapping{
		Format: format, HeaderLine: new(1),
		Date:     DateColumn{Column: "Date", Layout: "YYYY-MM-DD"},
		Amount:   AmountColumn{Column: "Amount", Decimal: "."},
		Sign:     Sign{Expense: "negative"},
		Currency: Source{Column: "Currency"},
		Notes:    Columns{Columns: []string{"Payee", "Memo"}},
		ID:       Column{Column: "ID"},
		Except:   Choice{Column: "Status", Equals: []string{"pending", "transfer"}},
	}
	if format == QIF {
		m.Date.Layout, m.Amount.Decimal = "", ""
		m.Currency, m.ID = Source{}, Column{}
		m.Category = Source{Column: "Category"}
	}
	return m
}
