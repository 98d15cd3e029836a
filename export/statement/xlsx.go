package statement

import (
	"archive/zip"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/spendwise/spendwise/export/statement/internal/format"
)

// The bounds of a workbook.
const (
	maxWorkbook  = 128 << 20 // bytes of all its unpacked parts
	maxInMemory  = 40 << 20  // bytes of the unpacked parts that are held in memory
	maxSheetPart = 8 << 20   // bytes of an unpacked sheet or table of texts; a larger one becomes a temporary file
	maxPartRatio = 200       // how many times a part of more than 1 MiB may be larger than its packed form
)

// A workbook is an opened XLSX file. The rows of its first sheet with rows are the records.
type workbook struct {
	book  *excelize.File
	sheet string
}

// openWorkbook opens the XLSX file that begins at start. The error is ErrInvalid with the field "file" if it is none.
func openWorkbook(r io.ReadSeeker, start int64) (*workbook, error) {
	size, err := r.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	at := readerAt{r, start}
	archive, err := zip.NewReader(at, size-start)
	if err != nil {
		return nil, format.FileError("unknown_format", "the file is a damaged ZIP archive: %v; export it again", err)
	}
	total, inMemory, found := uint64(0), uint64(0), false
	for _, part := range archive.File {
		found = found || part.Name == "xl/workbook.xml"
		unpacked := part.UncompressedSize64
		name := strings.ToLower(part.Name)
		if unpacked <= maxSheetPart || !strings.HasPrefix(name, "xl/worksheets/sheet") && name != "xl/sharedstrings.xml" {
			inMemory += unpacked
		}
		bomb := unpacked > 1<<20 && unpacked/maxPartRatio > part.CompressedSize64
		if total += unpacked; bomb || total > maxWorkbook || inMemory > maxInMemory {
			return nil, format.FileError("too_large",
				"the workbook is too large when it is unpacked: its sheets may have %d MiB, and its other parts %d MiB; "+
					"export CSV, or fewer rows without pictures", maxWorkbook>>20, maxInMemory>>20)
		}
	}
	if !found {
		return nil, format.FileError("unknown_format", "the file is a ZIP archive without a workbook; unpack it, or %s",
			exportInstead)
	}
	if _, err := r.Seek(start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	book, err := excelize.OpenReader(r, excelize.Options{
		UnzipSizeLimit: maxWorkbook, UnzipXMLSizeLimit: maxSheetPart, ShortDatePattern: "yyyy-mm-dd",
	})
	if err != nil {
		return nil, format.FileError("unknown_format", "the workbook cannot be read: %v; export it again, or export CSV", err)
	}
	w := &workbook{book: book}
	for _, sheet := range book.GetSheetList() {
		rows, err := book.Rows(sheet)
		if err == nil && rows.Next() {
			w.sheet = sheet
		}
		if err == nil {
			err = rows.Close()
		}
		if w.sheet != "" && err == nil {
			return w, nil
		}
	}
	return nil, errors.Join(format.FileError("empty_file", "the workbook has no sheet with rows; export it again"),
		w.close())
}

func (w *workbook) close() error {
	if err := w.book.Close(); err != nil {
		return fmt.Errorf("close the workbook: %w", err)
	}
	return nil
}

// A readerAt reads at offsets of a seeker, counted from start. It is not safe for concurrent use.
type readerAt struct {
	r     io.ReadSeeker
	start int64
}

func (r readerAt) ReadAt(p []byte, offset int64) (int, error) {
	if _, err := r.r.Seek(r.start+offset, io.SeekStart); err != nil {
		return 0, err //nolint:wrapcheck // archive/zip compares it
	}
	n, err := io.ReadFull(r.r, p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = io.EOF
	}
	return n, err //nolint:wrapcheck // archive/zip compares it
}

// A sheetReader reads the rows of a sheet twice in parallel: as numbers and as the spreadsheet shows them.
type sheetReader struct {
	raw, shown *excelize.Rows
	date1904   bool
	line       int
	fields     []string
}

func (w *workbook) records() (format.Reader, error) {
	raw, err := w.book.Rows(w.sheet)
	if err != nil {
		return nil, fmt.Errorf("read sheet %q: %w", w.sheet, err)
	}
	shown, err := w.book.Rows(w.sheet)
	if err != nil {
		return nil, fmt.Errorf("read sheet %q: %w", w.sheet, err)
	}
	properties, err := w.book.GetWorkbookProps()
	if err != nil {
		return nil, fmt.Errorf("read the workbook: %w", err)
	}
	return &sheetReader{raw: raw, shown: shown, date1904: properties.Date1904 != nil && *properties.Date1904}, nil
}

func (s *sheetReader) Next() (format.Record, error) {
	if !s.raw.Next() || !s.shown.Next() {
		if err := cmp.Or(s.raw.Error(), s.shown.Error(), s.raw.Close(), s.shown.Close()); err != nil {
			return format.Record{}, format.FileError("malformed_sheet",
				"the sheet cannot be read after row %d: %v; export it again", s.line,
				err)
		}
		return format.Record{}, io.EOF
	}
	s.line++
	raw, rawErr := s.raw.Columns(excelize.Options{RawCellValue: true})
	shown, shownErr := s.shown.Columns()
	if fault := cmp.Or(rawErr, shownErr); fault != nil {
		broken := format.Broken(s.line, "malformed_sheet", "cannot read the row: "+fault.Error())
		return broken, nil //nolint:nilerr // the row fails
	}
	if len(raw) > format.MaxColumns {
		return format.Broken(s.line, "too_many_columns", "the row has more than 1000 cells; export fewer columns"), nil
	}
	s.fields = s.fields[:0]
	blank := true
	for i, value := range raw {
		if i < len(shown) && value != shown[i] {
			value = s.cell(value, shown[i])
		}
		blank = blank && value == ""
		s.fields = append(s.fields, value)
	}
	if blank {
		return format.Record{Line: s.line}, nil
	}
	return format.Record{Line: s.line, Fields: s.fields}, nil
}

// cell returns a text for a number that the spreadsheet shows in another form. A date becomes YYYY-MM-DD. Another
// number becomes a plain decimal of 15 significant digits, as spreadsheets compute them, with the symbol that is shown.
func (s *sheetReader) cell(raw, shown string) string {
	value, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return shown
	}
	if d, ok := parseDateCell(shown, false); ok && value >= 1 && value < 2958466 && (d.count == 3 || d.month != 0) {
		if date, err := excelize.ExcelDateToTime(value, s.date1904); err == nil {
			return date.Format(time.DateOnly)
		}
	}
	plain := strconv.FormatFloat(value, 'g', 15, 64)
	if rounded, err := strconv.ParseFloat(plain, 64); err == nil {
		plain = strconv.FormatFloat(rounded, 'f', -1, 64)
	}
	if before, _, after, ok := splitAmount(plainText(shown)); ok {
		symbol := strings.Trim(before+after, "-+() ")
		if len(currenciesOf(symbol)) > 0 {
			plain += " " + symbol
		}
	}
	return plain
}
