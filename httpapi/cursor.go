package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
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

// decodeCursor returns the position of a cursor in the list that the scope names.
func decodeCursor(scope, text string) ([]byte, error) {
	if len(text) <= maxCursor {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err == nil && len(raw) > sumSize {
			sum, position := raw[:sumSize], raw[sumSize:]
			if subtle.ConstantTimeCompare(sum, cursorSum(scope, position)) == 1 {
				return position, nil
			}
		}
	}
	return nil, errCursor()
}

func errCursor() error {
	return newFieldProblem(codeCursorInvalid, fieldError{
		Parameter: "cursor", Code: codeCursorInvalid,
		Detail: "The cursor is not of this list with these filters and this order. Repeat the filters and the order of " +
			"the first page, or start without a cursor.",
	})
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

// decodePosition decodes the result of encodePosition.
func decodePosition(encoded []byte) (expense.Position, error) {
	if len(encoded) != 8+len(uuid.UUID{}) {
		return expense.Position{}, errCursor()
	}
	return expense.Position{SortKey: int64(binary.BigEndian.Uint64(encoded)), ID: uuid.UUID(encoded[8:])}, nil
}
