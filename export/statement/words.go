package statement

// headerWords lists the names of columns in many languages, by meaning. Of several columns with a meaning, the one
// whose name stands first here is preferred. Names are in the form of foldHeader.
var headerWords = map[Meaning]string{
	MeansDate: `transaction date|date of transaction|started date|date started|booking date|date|datum|trans date|
		txn date|tran date|purchase date|buchungstag|buchungsdatum|buchung|belegdatum|umsatzdatum|kaufdatum|date operation|
		date de l operation|date d operation|date de transaction|date comptable|fecha|fecha operacion|fecha de operacion|
		f operacion|fecha contable|data|data operazione|data movimento|data contabile|data lancamento|data mov|
		data do movimento|data da transacao|boekdatum|boekingsdatum|transactiedatum|datum transactie|bokforingsdag|
		bokforingsdatum|bokforingsdato|bokfort|transaktionsdag|transaktionsdatum|transaksjonsdato|dato|bogforingsdato|
		kirjauspaiva|kirjauspvm|pvm|paivamaara|tapahtumapaiva|data operacji|data transakcji|data ksiegowania|
		datum zauctovani|datum provedeni|datum transakce|datum zauctovania|konyveles datuma|tranzakcio datuma|datum|
		konyvelesi datum|data tranzactiei|data tranzactie|дата|дата операции|дата операції|дата транзакции|дата проводки|
		дата платежа|дата и время операции|tarih|islem tarihi|ημερομηνια|ημ νια|ημερομηνια συναλλαγης|日付|取引日|取引日付|利用日|ご利用日|
		年月日|交易日期|交易时间|日期|记账日期|入账日期|交易日|거래일|거래일자|거래일시|날짜|이용일|tanggal|tarikh|ngay giao dich|ngay|วันที่|datum knjizenja|
		datum valute transakcije|kuupaev|datums|time|timestamp|datetime|date time|created|created on|created at|
		transaction time|date utc|posted on|zeitpunkt|uhrzeit und datum`,
	MeansValueDate: `completed date|date completed|finished on|post date|posted date|posting date|date posted|
		settlement date|value date|value dt|valuta|valutadatum|valutadag|valutatag|wertstellung|wert|wertstellungstag|
		wertstellungsdatum|valuta datum|date valeur|date de valeur|fecha valor|f valor|data valuta|data valor|rentedatum|
		valuteringsdag|rentedato|arvopaiva|data waluty|datum splatnosti|ertek nap|ertekdatum|дата валютирования|
		valor tarihi|ημερομηνια αξιας|datum valute|authorised date|processed date`,
	MeansAmount: `transaction amount|amount|amt|betrag|buchungsbetrag|umsatz|umsatzbetrag|montant|importe|cantidad|
		importo|valor|montante|quantia|bedrag|bedrag eur|transactiebedrag|belopp|belob|belop|summa|maara|kwota|
		kwota operacji|kwota transakcji|castka|objem|suma|osszeg|сумма|сума|сумма операции|сумма в валюте счета|tutar|
		islem tutari|ποσο|金額|取引金額|利用金額|ご利用金額|金额|交易金额|금액|거래금액|이용금액|jumlah|nominal|so tien|จำนวนเงิน|iznos|znesek|value|
		net amount|amount local currency|net|sum|total|amount charged|bruttobetrag|billing amount|transaktionsbelopp|
		summa eur`,
	MeansDebit: `debit|debits|debit amount|debit amt|withdrawal|withdrawals|withdrawal amt|withdrawal amount|paid out|
		money out|outflow|out|payments|payment|spent|expense|charge|charges|soll|belastung|lastschrift|ausgang|ausgaben|
		ausgabe|belastungen|belastung in chf|debet|uttag|ut av konto|ut|debito|cargo|cargos|adeudo|uscite|dare|addebiti|
		addebito|depenses|debits eur|saida|saidas|af|uit|obciazenie|obciazenia|vydaj|terheles|расход|списание|borc|χρεωση|
		出金|出金額|お支払金額|支払金額|支出|出金金額|借方|출금|출금액|지출|debitos|withdrawal inr|money sent|dr|dr amount`,
	MeansCredit: `credit|credits|credit amount|credit amt|deposit|deposits|deposit amt|deposit amount|paid in|money in|
		inflow|in|receipts|received|haben|gutschrift|gutschriften|gutschrift in chf|eingang|einnahmen|kredit|insattning|
		inn pa konto|inn|credito|abono|abonos|ingreso|ingresos|entrate|avere|accrediti|accredito|recettes|entrada|entradas|
		bij|uznanie|uznania|prijem|jovairas|приход|зачисление|alacak|πιστωση|入金|入金額|お預り金額|預入金額|收入|入金金額|贷方|貸方|입금|입금액|수입|
		creditos|income|cr|cr amount`,
	MeansCurrency: `currency|currency code|ccy|curr|cur|transaction currency|account currency|wahrung|waehrung|whg|
		devise|monnaie|divisa|moneda|valuta|moeda|munt|valutakod|valutta|waluta|mena|penznem|deviza|valuta|валюта|
		para birimi|doviz|νομισμα|通貨|币种|货币|통화|mata uang|tien te|סוג מטבע|amount currency|source currency|muntsoort`,
	MeansNotes: `description|descriptions|transaction description|details|transaction details|narrative|narration|
		particulars|payee|payee name|merchant|merchant name|name|counterparty|counterparty name|beneficiary|recipient|
		partner name|remarks|remark|transaction remarks|memo|note|notes|comment|comments|reference|payment reference|text|
		title|buchungstext|verwendungszweck|beschreibung|empfanger|zahlungsempfanger|auftraggeber empfanger|
		beguenstigter zahlungspflichtiger|begunstigter zahlungspflichtiger|empfanger zahlungspflichtiger|beguenstigter|
		zahlungsempfanger in|name zahlungsbeteiligter|umsatztext|vorgang verwendungszweck|mitteilung|avisierungstext|
		bemerkung|notiz|libelle|libelle operation|libelle simplifie|nature|nature de l operation|communication|
		communications|intitule|tiers|motif|concepto|descripcion|beneficiario|observaciones|comercio|detalle|descrizione|
		descrizione operazione|causale|beneficiario|esercente|dettagli|descricao|historico|lancamento|estabelecimento|
		titulo|omschrijving|naam omschrijving|naam tegenpartij|mededelingen|mededeling|beskrivning|beskrivelse|forklaring|
		tekst|meddelelse|meddelande|referens|rubrik|mottagare|kommentar|selite|saaja maksaja|saaja|viesti|opis|
		opis operacji|opis transakcji|tytul|kontrahent|odbiorca|nadawca odbiorca|dane kontrahenta|odbiorca zleceniodawca|
		popis|zprava|zprava pro prijemce|nazev protiuctu|poznamka|protistrana|kozlemeny|leiras|partner neve|megjegyzes|
		descriere|detalii|beneficiar|описание|описание операции|назначение платежа|назначение|контрагент|детали|
		наименование|комментарий|опис|aciklama|περιγραφη|αιτιολογια|摘要|取引内容|お取引内容|利用店名|ご利用店名|ご利用店名商品名|内容|適用|備考|メモ|店名|交易描述|
		交易说明|商品|商品说明|交易对方|对方户名|备注|说明|用途|商户|적요|내용|가맹점|가맹점명|거래내용|메모|비고|keterangan|uraian|butiran|noi dung|dien giai|mo ta|
		รายละเอียด|รายการ|svrha|selgitus|saaja nimi|komentars|shop|store|what|label|namn|avsandare|ytterligare detaljer|取引先|
		avsender|afsender|modtager`,
	MeansCategory: `category|sub category|subcategory|category name|kategorie|kategori|categorie|categoria|kategoria|
		luokka|категория|категорія|kategorija|カテゴリ|费目|類別|分类|分類|类别|카테고리|분류|中項目|大項目|subcategoria|sous categorie`,
	MeansDirection: `debit credit|credit debit|dr cr|cr dr|d c|c d|dc|d k|k d|debit or credit|debit credit indicator|
		cdt dbt ind|credit debit indicator|income expense|expense income|income or expense|af bij|soll haben|s h|
		s h kennzeichen|kennzeichen|belastung gutschrift|transaction type|type|direction|typ|umsatztyp|sens|
		debit credit code|收 支|收支|收付|收支类型|借贷标志|tipo|tipo movimento|tipo de movimento|入出金|구분|тип|тип операции|indicator|sign|
		ind|in out`,
	MeansStatus: `state|status|transaction status|buchungsstatus|etat|statut|estado|stato|stav|allapot|статус|durum|
		κατασταση|状態|交易状态|当前状态|상태|situacao|tila`,
	MeansFee: `fee|fees|fee amount|gebuhr|gebuehr|gebuhren|entgelt|frais|comision|commissione|commissioni|taxa|tarifa|
		kosten|avgift|gebyr|poplatek|prowizja|комиссия|手数料|手续费|수수료|commission|total fees`,
	MeansID: `transaction id|transactionid|id|fitid|acctsvcrref|reference number|unique id|transaction reference number|
		identificador|operation id|txn id|transaktions id|transaktionsid|transaktionsnummer|archivierungskennung|
		arkiveringsreferens|arkistointitunnus|交易号|交易单号|交易订单号|id operacji|id transakce|id transakcji|id operace|
		bank reference id|source id`,
	MeansBalance: `balance|running bal|running balance|available balance|closing balance|closing bal|balance after|saldo|
		kontostand|saldo nach buchung|solde|saldo contabile|saldo disponibile|saldo dopo mutatie|saldo efter|bokfort saldo|
		disponibelt|saldo po operacji|saldo po transakcji|zustatek|egyenleg|sold|остаток|баланс|bakiye|υπολοιπο|残高|差引残高|余额|
		账户余额|交易后余额|잔액|거래후잔액|so du|baki|ยอดคงเหลือ|stanje|saldo final|saldo na mutatie|balance amount|book balance|
		account balance|bal`,
	MeansOther: `original amount|foreign amount|foreign currency amount|amount foreign currency|source amount|
		target amount|original currency|foreign currency|target currency|fremdwahrung|betrag in fremdwahrung|
		fremdwahrungsbetrag|originalbetrag|originalwahrung|ursprungsbetrag|fremdwahrungskurs|exchange rate|exchange to|
		exchange from|wechselkurs|kurs|rate|row|no|s no|sr no|nr|sl no|account|account number|account no|konto|kontonummer|
		kontonr|auftragskonto|iban|iban auftragskonto|kontonummer iban|rekening|tegenrekening|compte|cuenta|conta|product|
		produkt|card|card no|card number|card member|radnummer|clearingnummer|bic|bic swift code|blz|zahlungspflichtige r|
		kundenreferenz|mandatsreferenz|glaubiger id|glaeubiger id|chq ref no|chq no|cheque number|check number|check|cheque|
		check or slip|sort code|mcc|tax|vat|mwst|user|tags|labels|payer|zahlungspflichtiger|balance date|statement date|
		opening balance|initial balance|payment type|mutatiesoort|code|time zone|hora|uhrzeit|час|tid|saldo inicial|
		summary amt|member name|account label|accountlabel`,
}

// debitWords and creditWords list the texts of direction columns for money out and money in, in the form of foldHeader.
const debitWords = `|debit|dr|d|db|dbit|s|soll|expense|expenses|withdrawal|af|ausgang|ausgabe|belastung|out|outgoing|
	spending|payment out|withdraw|debet|debito|gasto|gastos|despesa|saida|uscita|depense|uitgave|utgift|kostnad|meno|
	wydatek|vydaj|расход|списание|gider|支出|出金|支|지출|출금|-|sent|money out|`

const creditWords = `|credit|cr|c|crdt|h|haben|income|incomes|deposit|bij|eingang|einnahme|gutschrift|in|incoming|
	received|kredit|k|credito|ingreso|ingresos|receita|entrada|entrata|revenu|inkomst|inntekt|indtaegt|tulo|przychod|
	prijem|доход|приход|зачисление|поступление|gelir|收入|入金|收|수입|입금|+|refund|reversal|money in|`

// transferWords lists the texts of direction columns for money that moves between accounts of one owner.
const transferWords = `|transfer|transfer out|transfer in|transfers|不计收支|umbuchung|umbuchen|overboeking|
	przelew wlasny|振替|이체|`

// voidWords lists the texts of status columns for transactions that did not take place, or not yet.
const voidWords = `|reverted|failed|declined|cancelled|canceled|rejected|refused|expired|voided|void|deleted|pending|
	authorised|authorized|vorgemerkt|storniert|abgelehnt|in bearbeitung|ausstehend|annule|refuse|en attente|rechazado|
	cancelado|pendiente|pendente|rifiutato|annullato|in attesa|geannuleerd|geweigerd|odrzucona|anulowana|oczekujaca|交易关闭|
	已关闭|已全额退款|退款成功|취소|отменен|отклонен|umsatz vorgemerkt|reserverat|reserverad|reserveret|reservert|katevaraus|`

// weekdayNames lists names of weekdays. Dates may contain one, right or wrong.
const weekdayNames = `mon tue tues wed thu thur thurs fri sat sun
monday tuesday wednesday thursday friday saturday sunday
mo di mi do fr sa so montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag
lun mar mer jeu ven sam dim lundi mardi mercredi jeudi vendredi samedi dimanche
mié mie jue vie sáb sab dom lunes martes miércoles miercoles jueves viernes sábado sabado domingo
seg ter qua qui sex segunda-feira terça-feira quarta-feira quinta-feira sexta-feira segunda terça quarta quinta sexta
gio lunedì martedì mercoledì giovedì venerdì lunedi martedi mercoledi giovedi venerdi
ma wo vr zo maandag dinsdag woensdag donderdag vrijdag zaterdag zondag
mån tis ons tors fre lör sön måndag tisdag onsdag torsdag fredag lördag söndag man tir tor lør søn mandag tirsdag lørdag
søndag ti ke to pe la su maanantai tiistai keskiviikko torstai perjantai lauantai sunnuntai
pon wt śr sr czw pt sob niedz poniedziałek wtorek środa czwartek piątek sobota niedziela
po út st čt pá ne pondělí úterý středa čtvrtek pátek neděle hétfő kedd szerda csütörtök péntek szombat vasárnap
pzt sal çar per cum cmt paz pazartesi salı çarşamba perşembe cuma cumartesi pazar
пн вт ср чт пт сб вс понедельник вторник среда четверг пятница суббота воскресенье нд понеділок вівторок середа четвер
пʼятниця субота неділя 月 火 水 木 金 土 日 月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日 星期一 星期二 星期三 星期四 星期五 星期六 星期日
周一 周二 周三 周四 周五 周六 周日 월 화 수 목 금 토 일 월요일 화요일 수요일 목요일 금요일 토요일 일요일`
