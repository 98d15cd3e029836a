package budget

import (
	"fmt"
	"strings"

	"github.com/spendwise/spendwise/expense/locale"
)

// phrases formats a Progress as a sentence in one locale.
type phrases struct {
	wholeLedger string // the name of the whole ledger's budget
	sentence    string // a format with the name, the amount spent and the available amount
	rightToLeft bool
	format      locale.Formatter
}

// phrasesFor returns the phrases of the locale with this BCP 47 tag. For a language without a translation, the sentence
// consists of name, amounts and punctuation, so it never mixes two languages.
func phrasesFor(tag string) phrases {
	p := phrases{format: locale.NewFormatter(tag)}
	language := locale.Language(tag)
	p.wholeLedger, p.sentence = translations(language)
	p.rightToLeft = language == "ar"
	return p
}

func translations(language string) (wholeLedger, sentence string) {
	switch language {
	case "ar":
		return "الإجمالي", "%[1]s: أُنفق %[2]s من %[3]s"
	case "cs":
		return "Celkem", "%s: utraceno %s z %s"
	case "da":
		return "I alt", "%s: %s af %s brugt"
	case "de":
		return "Gesamt", "%s: %s von %s ausgegeben"
	case "en":
		return "Total", "%s: %s / %s spent"
	case "es":
		return "Total", "%s: %s de %s gastados"
	case "fi":
		return "Yhteensä", "%s: käytetty %s / %s"
	case "fr":
		return "Total", "%s\u00a0: %s sur %s dépensés"
	case "hi":
		return "कुल", "%[1]s: %[3]s में से %[2]s खर्च"
	case "it":
		return "Totale", "%s: %s su %s spesi"
	case "ja":
		return "合計", "%[1]s:%[3]sのうち%[2]sを使用"
	case "ko":
		return "합계", "%[1]s: %[3]s 중 %[2]s 사용"
	case "nb", "no":
		return "Totalt", "%s: %s av %s brukt"
	case "nl":
		return "Totaal", "%s: %s van %s uitgegeven"
	case "pl":
		return "Razem", "%s: wydano %s z %s"
	case "pt":
		return "Total", "%s: %s de %s gastos"
	case "ru":
		return "Всего", "%s: потрачено %s из %s"
	case "sv":
		return "Totalt", "%s: %s av %s förbrukat"
	case "tr":
		return "Toplam", "%[1]s: %[3]s içinden %[2]s harcandı"
	case "uk":
		return "Усього", "%s: витрачено %s із %s"
	case "zh-Hans":
		return "总计", "%s：已使用 %s / %s"
	case "zh-Hant":
		return "總計", "%s：已使用 %s / %s"
	default:
		return "Σ", "%s: %s / %s"
	}
}

func (w phrases) text(p Progress) string {
	name := locale.IsolateBidi(p.CategoryName)
	switch {
	case name == "":
		name = w.wholeLedger
	case w.rightToLeft && !strings.HasPrefix(name, "\u2068"):
		// A name in Latin letters would reverse the direction of the whole sentence, so isolate it.
		name = "\u2068" + name + "\u2069"
	}
	return fmt.Sprintf(w.sentence, name, w.format.MoneyShort(p.Spent.Home), w.format.MoneyShort(p.Available()))
}
