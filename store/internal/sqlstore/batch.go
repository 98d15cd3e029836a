package sqlstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// A table is what is inserted into: its columns, and what happens to a row whose key is taken.
type table struct {
	name     string
	columns  []Column
	conflict string // the ON CONFLICT clause, or empty
}

func (t *table) names() string {
	names := make([]string, len(t.columns))
	for i, column := range t.columns {
		names[i] = column.Name
	}
	return strings.Join(names, ", ")
}

// columnsOf reads "name type, name type"; the types are Postgres's, which needs them for arrays.
func columnsOf(list string) []Column {
	var columns []Column
	for part := range strings.SplitSeq(list, ",") {
		name, kind, _ := strings.Cut(strings.TrimSpace(part), " ")
		columns = append(columns, Column{Name: name, Type: kind})
	}
	return columns
}

// replace is the ON CONFLICT clause that makes the owner's row of an id what the new one is.
func replace(columns []Column) string {
	const key = "owner, id"
	var sets []string
	for _, column := range columns {
		if !strings.Contains(", "+key+",", ", "+column.Name+",") {
			sets = append(sets, column.Name+" = excluded."+column.Name)
		}
	}
	return " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(sets, ", ")
}

// insert puts rows into a table, many in a statement, and returns how many were inserted or replaced.
func (s *session) insert(ctx context.Context, into *table, rows [][]any) (int64, error) {
	total := int64(0)
	for len(rows) > 0 {
		chunk := rows[:min(len(rows), s.dialect.BatchRows)]
		rows = rows[len(chunk):]
		source, args := s.dialect.Source(into.columns, chunk)
		changed, err := s.exec(ctx, "INSERT INTO "+into.name+" ("+into.names()+") "+source+into.conflict, args...)
		if err != nil {
			return total, err
		}
		total += changed
	}
	return total, nil
}

// Values is the Source of an engine that takes rows as VALUES. Its places are without a number: SQLite looks for a
// value's among all those that have one, which takes longer with each.
func Values(columns []Column, rows [][]any) (string, []any) {
	args := make([]any, 0, len(columns)*len(rows))
	for _, row := range rows {
		args = append(args, row...)
	}
	row := "(" + strings.Repeat("?, ", len(columns)-1) + "?)"
	return "VALUES " + strings.Repeat(row+", ", len(rows)-1) + row, args
}

// Unnest is the Source of an engine that takes columns as arrays: the text is the same however many rows there are.
func Unnest(columns []Column, rows [][]any) (string, []any) {
	var text strings.Builder
	text.WriteString("SELECT * FROM unnest(")
	args := make([]any, len(columns))
	for i, column := range columns {
		if i > 0 {
			text.WriteString(", ")
		}
		text.WriteString("$" + strconv.Itoa(i+1) + "::" + column.Type + "[]")
		cells := make([]any, len(rows))
		for j, row := range rows {
			cells[j] = row[i]
		}
		args[i] = cells
	}
	text.WriteString(")")
	return text.String(), args
}

func idTexts(ids []uuid.UUID) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.String()
	}
	return texts
}
