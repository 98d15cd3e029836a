package wire

import (
	"encoding/json"
	"fmt"
)

// maxDepth is the maximum number of levels that ParseValue accepts.
const maxDepth = 8

// ParseValue reads the next JSON value from decoder: a map[string]any, a []any or a scalar, as [json.Decoder.Token]
// returns it. Unlike json.Unmarshal it returns an error for an object that has a member twice, and for values nested
// deeper than 8 levels.
func ParseValue(decoder *json.Decoder) (any, error) { return parseValue(decoder, "", 0) }

func parseValue(decoder *json.Decoder, path string, depth int) (any, error) {
	token, err := decoder.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, fmt.Errorf("the value nests deeper than %d levels", maxDepth)
	}
	switch token {
	case json.Delim('{'):
		members := map[string]any{}
		for decoder.More() {
			token, err := decoder.Token()
			if err != nil {
				return nil, err
			}
			name, _ := token.(string)
			if _, twice := members[name]; twice {
				return nil, fmt.Errorf("the member %q occurs twice", path+name)
			}
			if members[name], err = parseValue(decoder, path+name+"/", depth+1); err != nil {
				return nil, err
			}
		}
		_, err := decoder.Token()
		return members, err
	case json.Delim('['):
		var list []any
		for decoder.More() {
			value, err := parseValue(decoder, path, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := decoder.Token()
		return list, err
	}
	return token, nil
}
