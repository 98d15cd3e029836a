package budget

import (
	"fmt"

	"golang.org/x/text/language"

	"github.com/spendwise/spendwise/expense"
)

// phrases say a progress in one locale.
type phrases struct {
	whole    string // what the whole ledger's budget is called
	sentence string // a format of the name, the amount spent and the limit
	format   expense.Formatter
}

// phrasesFor returns the phrases of a locale; a language that has none here speaks English, with its own figures.
func phrasesFor(locale string) phrases {
	p := phrases{format: expense.NewFormatter(locale)}
	base, _ := language.Make(locale).Base()
	p.whole, p.sentence = words(base.String())
	return p
}

func words(base string) (whole, sentence string) {
	switch base {
	case "da":
		return "I alt", "%s: %s af %s brugt"
	case "de":
		return "Gesamt", "%s: %s von %s ausgegeben"
	case "es":
		return "Total", "%s: %s de %s gastados"
	case "fr":
		return "Total", "%s\u00a0: %s sur %s dépensés"
	case "it":
		return "Totale", "%s: %s su %s spesi"
	case "ja":
		return "合計", "%[1]s:%[3]sのうち%[2]sを使用"
	case "nb", "no":
		return "Totalt", "%s: %s av %s brukt"
	case "nl":
		return "Totaal", "%s: %s van %s uitgegeven"
	case "pl":
		return "Razem", "%s: wydano %s z %s"
	case "pt":
		return "Total", "%s: %s de %s gastos"
	case "sv":
		return "Totalt", "%s: %s av %s förbrukat"
	default:
		return "Total", "%s: %s / %s spent"
	}
}

func (w phrases) text(p Progress) string {
	name := p.CategoryName
	if name == "" {
		name = w.whole
	}
	return fmt.Sprintf(w.sentence, name, w.format.MoneyShort(p.Spent.Home), w.format.MoneyShort(p.Available()))
}
