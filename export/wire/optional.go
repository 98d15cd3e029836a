package wire

import "encoding/json"

// Optional is a member of a merge patch (RFC 7396). It is absent, which leaves the row's member unchanged, or a value,
// or null, which restores the default. The zero Optional is absent; the JSON option omitzero leaves it out.
//
// The struct tag "patch" of such a member states its shape: "nullable" if it may be null, "nonempty" if its text must
// not be empty, "nonzero" if its number must not be 0.
type Optional[T any] struct {
	Present bool
	Null    bool // present and null
	Value   T    // the zero value if absent or null
}

// Set returns an Optional with a value.
func Set[T any](value T) Optional[T] { return Optional[T]{Present: true, Value: value} }

// Null returns an Optional that restores the default.
func Null[T any]() Optional[T] { return Optional[T]{Present: true, Null: true} }

// IsZero reports whether the member is absent. The JSON option omitzero uses it.
func (o Optional[T]) IsZero() bool { return !o.Present }

// Pointer returns nil if the member is absent. Otherwise it points to the value, which is the zero value for null.
func (o Optional[T]) Pointer() *T {
	if !o.Present {
		return nil
	}
	return &o.Value
}

// MarshalJSON implements [json.Marshaler].
func (o Optional[T]) MarshalJSON() ([]byte, error) {
	if !o.Present || o.Null {
		return []byte("null"), nil
	}
	return json.Marshal(o.Value)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (o *Optional[T]) UnmarshalJSON(text []byte) error {
	*o = Optional[T]{Present: true, Null: string(text) == "null"}
	if o.Null {
		return nil
	}
	return json.Unmarshal(text, &o.Value)
}
