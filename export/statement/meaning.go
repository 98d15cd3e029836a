package statement

import (
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/spendwise/spendwise/expense"
)

// A Meaning is what a column holds.
type Meaning string

// The meanings of columns.
const (
	MeansDate      Meaning = "date"
	MeansValueDate Meaning = "value_date" // a date that is used if there is no other
	MeansAmount    Meaning = "amount"
	MeansDebit     Meaning = "debit"  // money out
	MeansCredit    Meaning = "credit" // money in
	MeansCurrency  Meaning = "currency"
	MeansNotes     Meaning = "notes"
	MeansCategory  Meaning = "category"
	MeansDirection Meaning = "direction" // says for each row whether it is money out or in
	MeansStatus    Meaning = "status"    // says whether the transaction took place; also used as direction
	MeansFee       Meaning = "fee"
	MeansID        Meaning = "id"
	MeansBalance   Meaning = "balance"
	MeansOther     Meaning = "other" // known, and not needed
)

type rankedMeaning struct {
	meaning Meaning
	rank    int // the place in the list of headerWords
}

// wordMeanings holds the meanings of each name in headerWords.
var wordMeanings = sync.OnceValue(func() map[string][]rankedMeaning {
	words := map[string][]rankedMeaning{}
	for meaning, list := range headerWords {
		rank := 0
		for word := range strings.SplitSeq(list, "|") {
			word = foldHeader(word)
			known := false
			for _, m := range words[word] {
				known = known || m.meaning == meaning
			}
			if !known {
				words[word] = append(words[word], rankedMeaning{meaning, rank})
			}
			rank++
		}
	}
	return words
})

// foldHeader returns the form in which names of columns are compared: folded, without accents, without texts in
// brackets, and with single blanks in place of punctuation.
func foldHeader(name string) string {
	depth := 0
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r == '(' || r == '[' || r == '（':
			depth++
			return ' '
		case r == ')' || r == ']' || r == '）':
			depth--
			return ' '
		case depth > 0 || unicode.Is(unicode.Mn, r) && r < 0x370:
			return -1
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r):
			return r
		}
		return ' '
	}, decompose(expense.Fold(name)))
	return strings.Join(strings.Fields(mapped), " ")
}

// meaningsOf returns the meanings that the name of a column can have, the best first; none if it is unknown.
func meaningsOf(name string) []rankedMeaning {
	if len(name) > 100 {
		return nil
	}
	folded := foldHeader(name)
	if exact := wordMeanings()[folded]; exact != nil || folded == "" {
		return exact
	}
	tokens := strings.Fields(folded)
	if len(tokens) > 6 {
		return nil
	}
	for length := len(tokens) - 1; length > 0; length-- {
		for start := len(tokens) - length; start >= 0; start-- {
			phrase := strings.Join(tokens[start:start+length], " ")
			if found := wordMeanings()[phrase]; found != nil && len(phrase) > 2 {
				return lowerRank(found)
			}
		}
	}
	// Compounds of Germanic languages, and of languages without blanks, end in their main word.
	for i := range folded {
		if i > 0 && (len(folded)-i >= 5 && folded[i-1] != ' ') {
			if found := wordMeanings()[folded[i:]]; found != nil && !strings.Contains(folded[i:], " ") {
				return lowerRank(found)
			}
		}
	}
	return nil
}

// lowerRank returns the meanings with ranks after those of exact names.
func lowerRank(meanings []rankedMeaning) []rankedMeaning {
	lower := make([]rankedMeaning, len(meanings))
	for i, m := range meanings {
		lower[i] = rankedMeaning{m.meaning, m.rank + 1000}
	}
	return lower
}

func wordIn(list, text string) bool {
	folded := foldHeader(text)
	if folded == "" { // "-" and "+" have no letters
		folded = trim(text)
	}
	return folded != "" && wordSet(list)[folded]
}

var wordSets = sync.OnceValue(func() map[string]map[string]bool {
	sets := map[string]map[string]bool{}
	for _, list := range []string{debitWords, creditWords, transferWords, voidWords} {
		set := map[string]bool{}
		for word := range strings.SplitSeq(list, "|") {
			if folded := foldHeader(word); folded != "" {
				set[folded] = true
			} else if word = strings.TrimSpace(word); word != "" {
				set[word] = true
			}
		}
		sets[list] = set
	}
	return sets
})

func wordSet(list string) map[string]bool { return wordSets()[list] }

// decompose separates accents from letters, and replaces letters with a stroke, which Unicode does not decompose.
func decompose(text string) string {
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return strokes.Replace(norm.NFD.String(text))
		}
	}
	return text
}

var strokes = strings.NewReplacer("ł", "l", "ø", "o", "đ", "d", "ß", "ss", "ı", "i", "æ", "ae", "œ", "oe")
