package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/spendwise/spendwise/expense"
)

// sumSize is how many bytes of the checksum a cursor carries.
const sumSize = 8

// maxCursor bounds a cursor's text before it is decoded.
const maxCursor = 1024

// encodeCursor returns an opaque text for a place in a list. scope says which list that is, with its filters and its order:
// the cursor is good for no other. The checksum finds what was cut or mixed up; it is no secret, since a place in one's own
// list needs none.
func encodeCursor(scope string, place []byte) string {
	sum := cursorSum(scope, place)
	return base64.RawURLEncoding.EncodeToString(append(sum, place...))
}

// decodeCursor returns the place that text stands for in the list that scope names.
func decodeCursor(scope, text string) ([]byte, error) {
	if len(text) <= maxCursor {
		raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
		if err == nil && len(raw) > sumSize && subtle.ConstantTimeCompare(raw[:sumSize], cursorSum(scope, raw[sumSize:])) == 1 {
			return raw[sumSize:], nil
		}
	}
	return nil, errCursor()
}

func errCursor() error {
	return newFieldProblem(codeCursorInvalid, fieldError{
		Parameter: "cursor", Code: codeCursorInvalid,
		Detail: "The cursor was not made for this list with these filters in this order.",
	})
}

func cursorSum(scope string, place []byte) []byte {
	hash := sha256.New()
	hash.Write([]byte(scope))
	hash.Write([]byte{0})
	hash.Write(place)
	return hash.Sum(nil)[:sumSize]
}

// encodeKey and decodeKey write a place among expenses as bytes.
func encodeKey(key expense.Position) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(key.N)), key.ID[:]...)
}

func decodeKey(place []byte) (expense.Position, error) {
	if len(place) != 8+len(uuid.UUID{}) {
		return expense.Position{}, errCursor()
	}
	return expense.Position{N: int64(binary.BigEndian.Uint64(place)), ID: uuid.UUID(place[8:])}, nil
}
