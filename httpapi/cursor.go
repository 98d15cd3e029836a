package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
	"github.com/spendwise/spendwise/httpapi/internal/problem"
)

// sumSize is the number of bytes of the checksum in a cursor.
const sumSize = 8

// maxCursor is the maximum length of a cursor in bytes.
const maxCursor = 1024

// encodeCursor returns an opaque text for a position in a list. The scope names the list with its filters and its
// order; the cursor is valid for no other list. The checksum detects cursors that were cut or belong to another list.
// It uses no secret: a caller who forges a cursor can read only their own ledger.
func encodeCursor(scope string, position []byte) string {
	sum := cursorSum(scope, position)
	return base64.RawURLEncoding.EncodeToString(append(sum, position...))
}

// decodeCursor returns the position of a cursor in the list that the scope names. It returns false if the cursor does
// not belong to this list.
func decodeCursor(scope, text string) ([]byte, bool) {
	if len(text) > maxCursor {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) <= sumSize {
		return nil, false
	}
	sum, position := raw[:sumSize], raw[sumSize:]
	return position, subtle.ConstantTimeCompare(sum, cursorSum(scope, position)) == 1
}

// errCursor returns the field error for a cursor that does not belong to the list.
func errCursor(text string) problem.FieldError {
	return problem.FieldError{
		Parameter: "cursor", Code: problem.CodeCursorInvalid, Problem: problem.CodeCursorInvalid,
		Detail: fmt.Sprintf("The cursor %s is not of this list with these filters and this order; repeat those of the first "+
			"page, or start without a cursor.", expense.QuoteText(text)),
	}
}

// errSyncCursor returns the field error for a cursor of the change feed that is malformed or belongs to another ledger.
func errSyncCursor(text string) problem.FieldError {
	return problem.FieldError{
		Code: problem.CodeCursorInvalid, Problem: problem.CodeCursorInvalid,
		Detail: fmt.Sprintf("The cursor %s is malformed, or it belongs to another ledger; fetch everything without a cursor.",
			expense.QuoteText(text)),
	}
}

func cursorSum(scope string, position []byte) []byte {
	hash := sha256.New()
	hash.Write([]byte(scope))
	hash.Write([]byte{0})
	hash.Write(position)
	return hash.Sum(nil)[:sumSize]
}

// encodePosition encodes a position in a list of expenses for a cursor.
func encodePosition(p expense.Position) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(p.SortKey)), p.ID[:]...)
}

// decodePosition decodes the result of encodePosition. It returns false for any other text.
func decodePosition(encoded []byte) (expense.Position, bool) {
	if len(encoded) != 8+len(uuid.UUID{}) {
		return expense.Position{}, false
	}
	return expense.Position{SortKey: int64(binary.BigEndian.Uint64(encoded)), ID: uuid.UUID(encoded[8:])}, true
}
