package statement

import (
	"strings"
	"sync"

	"github.com/spendwise/spendwise/expense"
)

// currencySymbols lists the currencies that a symbol, an abbreviation or a name can mean, by the code of ISO 4217. The
// spelling is that of foldSymbol.
var currencySymbols = map[string]string{
	"$": "USD CAD AUD NZD SGD HKD TWD MXN ARS CLP COP UYU BBD BMD BND BSD BZD FJD GYD JMD KYD LRD NAD SBD SRD TTD XCD",
	"€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "ευρω": "EUR", "евро": "EUR",
	"£": "GBP EGP GIP FKP LBP SHP SDG SSP SYP", "¥": "JPY CNY", "￥": "JPY CNY",
	"円": "JPY", "yen": "JPY", "元": "CNY TWD HKD", "rmb": "CNY", "人民币": "CNY", "人民币元": "CNY", "원": "KRW",
	"₩": "KRW KPW", "₹": "INR", "₽": "RUB", "₺": "TRY", "₴": "UAH", "₪": "ILS", "₫": "VND", "đ": "VND", "₱": "PHP",
	"฿": "THB", "₦": "NGN", "₡": "CRC", "₲": "PYG", "₸": "KZT", "₾": "GEL", "₼": "AZN", "₵": "GHS", "₭": "LAK", "៛": "KHR",
	"৳": "BDT", "₮": "MNT", "﷼": "IRR SAR OMR QAR YER",
	"us$": "USD", "usd$": "USD", "u$s": "USD", "c$": "CAD NIO", "ca$": "CAD", "cad$": "CAD", "a$": "AUD", "au$": "AUD",
	"nz$": "NZD", "s$": "SGD", "hk$": "HKD", "nt$": "TWD", "mx$": "MXN", "r$": "BRL", "ar$": "ARS", "cl$": "CLP",
	"col$": "COP", "b/.": "PAB", "s/": "PEN", "s/.": "PEN", "bs": "BOB VES", "q": "GTQ", "l": "HNL", "rd$": "DOP",
	"$u": "UYU", "j$": "JMD", "tt$": "TTD", "z$": "ZWL", "n$": "NAD",
	"zł": "PLN", "zl": "PLN", "kč": "CZK", "kc": "CZK", "ft": "HUF", "lei": "RON MDL", "leu": "RON MDL", "лв": "BGN",
	"kn": "HRK", "din": "RSD", "дин": "RSD", "km": "BAM", "ден": "MKD", "kr": "SEK NOK DKK ISK", "dkr": "DKK",
	"skr": "SEK", "nkr": "NOK", "ikr": "ISK", "fr": "CHF XAF XOF XPF", "sfr": "CHF", "tl": "TRY", "руб": "RUB BYN",
	"р":   "RUB BYN",
	"rub": "RUB", "грн": "UAH", "br": "BYN ETB", "rs": "INR PKR LKR NPR MUR SCR", "re": "INR PKR LKR NPR MUR SCR",
	"rm": "MYR", "rp": "IDR", "r": "ZAR", "p": "BWP PHP", "ksh": "KES", "tsh": "TZS", "ush": "UGX",
	"sh": "KES TZS UGX SOS",
	"dh": "AED MAD", "dhs": "AED", "fcfa": "XAF XOF", "cfa": "XAF XOF", "nis": "ILS", "tk": "BDT", "dm": "DEM",
	"dollar": "USD CAD AUD NZD SGD HKD", "dollars": "USD CAD AUD NZD SGD HKD", "us dollar": "USD", "us dollars": "USD",
	"pound": "GBP", "pounds": "GBP", "pound sterling": "GBP", "swiss franc": "CHF", "schweizer franken": "CHF",
	"złoty": "PLN", "złotych": "PLN", "krona": "SEK ISK", "kronor": "SEK", "svenska kronor": "SEK",
	"rupee":        "INR PKR LKR NPR",
	"indian rupee": "INR", "real": "BRL", "reais": "BRL", "rubles": "RUB", "рубль": "RUB", "рублей": "RUB", "日本円": "JPY",
}

// currencyNumbers lists the numeric codes of ISO 4217.
const currencyNumbers = `008ALL 012DZD 032ARS 036AUD 044BSD 048BHD 050BDT 051AMD 052BBD 060BMD 064BTN 068BOB 072BWP
084BZD 090SBD 096BND 104MMK 108BIF 116KHR 124CAD 132CVE 136KYD 144LKR 152CLP 156CNY 170COP 174KMF 188CRC 191HRK 192CUP
203CZK 208DKK 214DOP 222SVC 230ETB 232ERN 238FKP 242FJD 262DJF 270GMD 292GIP 320GTQ 324GNF 328GYD 332HTG 340HNL 344HKD
348HUF 352ISK 356INR 360IDR 364IRR 368IQD 376ILS 388JMD 392JPY 398KZT 400JOD 404KES 408KPW 410KRW 414KWD 417KGS 418LAK
422LBP 426LSL 430LRD 434LYD 446MOP 454MWK 458MYR 462MVR 480MUR 484MXN 496MNT 498MDL 504MAD 512OMR 516NAD 524NPR 532XCG
533AWG 548VUV 554NZD 558NIO 566NGN 578NOK 586PKR 590PAB 598PGK 600PYG 604PEN 608PHP 634QAR 643RUB 646RWF 654SHP 682SAR
690SCR 702SGD 704VND 706SOS 710ZAR 728SSP 748SZL 752SEK 756CHF 760SYP 764THB 776TOP 780TTD 784AED 788TND 800UGX 807MKD
818EGP 826GBP 834TZS 840USD 858UYU 860UZS 882WST 886YER 901TWD 925SLE 926VED 928VES 929MRU 930STN 933BYN 934TMT 936GHS
938SDG 941RSD 943MZN 944AZN 946RON 949TRY 950XAF 951XCD 952XOF 953XPF 967ZMW 968SRD 969MGA 971AFN 972TJS 973AOA 975BGN
976CDF 977BAM 978EUR 980UAH 981GEL 985PLN 986BRL`

// symbolCurrencies holds currencySymbols and currencyNumbers with parsed codes.
var symbolCurrencies = sync.OnceValue(func() map[string][]expense.Currency {
	byText := make(map[string][]expense.Currency, 512)
	for symbol, codes := range currencySymbols {
		for code := range strings.FieldsSeq(codes) {
			if currency, err := expense.ParseCurrency(code); err == nil {
				byText[symbol] = append(byText[symbol], currency)
			}
		}
	}
	for entry := range strings.FieldsSeq(currencyNumbers) {
		if currency, err := expense.ParseCurrency(entry[3:]); err == nil {
			byText[entry[:3]] = []expense.Currency{currency}
		}
	}
	for _, currency := range expense.Currencies() {
		byText[strings.ToLower(currency.Code())] = []expense.Currency{currency}
	}
	return byText
})

func foldSymbol(text string) string {
	if text = strings.ToLower(trim(text)); len(text) > 1 && !strings.Contains(text, "/") {
		text = strings.TrimRight(text, ".")
	}
	return text
}

// currenciesOf returns the currencies that a symbol, a code, a number or a name can mean; none if it is unknown. The
// order of a symbol's currencies is that of the world's use. The result must not be changed.
func currenciesOf(text string) []expense.Currency {
	if len(text) > 32 {
		return nil
	}
	return symbolCurrencies()[foldSymbol(text)]
}

// isNarrower reports whether every currency that text can mean is one that other can mean.
func isNarrower(text, other string) bool {
	wide := currenciesOf(other)
	for _, currency := range currenciesOf(text) {
		if !containsCurrency(wide, currency) {
			return false
		}
	}
	return true
}

func containsCurrency(currencies []expense.Currency, currency expense.Currency) bool {
	for _, c := range currencies {
		if c == currency {
			return true
		}
	}
	return false
}

// resolveCurrency returns the currency that text means in a file whose other rows are in preferred. It returns false if
// text is unknown, or if it can mean several currencies and none of them is preferred.
func resolveCurrency(text string, preferred expense.Currency) (expense.Currency, bool) {
	candidates := currenciesOf(text)
	switch {
	case len(candidates) == 1:
		return candidates[0], true
	case containsCurrency(candidates, preferred):
		return preferred, true
	}
	return expense.Currency{}, false
}

// currencyInHeader returns the symbol or code of a currency that a column's name contains, such as "€" in "Betrag (€)"
// and "EUR" in "Amount EUR" and "amount_eur"; empty: none.
func currencyInHeader(name string) string {
	words := strings.FieldsFunc(name, func(r rune) bool {
		return strings.ContainsRune("()[]{}_/: ,-", r) ||
			r == '\u00a0'
	})
	if len(words) < 2 {
		return ""
	}
	for _, word := range words[1:] {
		isCode := len(word) == 3 && strings.ToUpper(word) == word || strings.Contains(name, "("+word+")") ||
			strings.Contains(name, "["+word+"]") || strings.HasSuffix(name, "_"+word)
		isSign := strings.ContainsAny(word, "$€£¥₹₽₺₴₪₩₱₫") || word == "zł" || word == "Kč"
		if (isCode || isSign) && len(currenciesOf(word)) > 0 && !onlyDigits(word) {
			return word
		}
	}
	return ""
}
