/** Words of SELECT and of expressions, and types: no columns. Others that nobody knows count as any column. */
export const NO_COLUMNS = new Set(
  (
    'all and any array as asc at between bigint boolean both by bytea case cast char character collate current_date ' +
    'current_time current_timestamp current_user date day decimal default desc distinct double else end epoch escape ' +
    'except exists extract false fetch filter first float following for from full group having hour ilike in int int2 ' +
    'int4 int8 integer intersect interval is isnull json jsonb last lateral leading left like limit locked microseconds ' +
    'minute month next no not notnull nowait null nulls numeric of offset on only or order outer over partition ' +
    'preceding precision range real right row rows second select set share similar skip smallint some symmetric text ' +
    'then ties time timestamp timestamptz timetz to trailing true unbounded union unique unknown update uuid using ' +
    'varchar varying week when where window with within without year zone'
  ).split(' '),
);

/** Words before a parenthesis that call nothing. */
export const NO_FUNCTIONS = new Set(
  (
    'all and any as array between by case cast char character decimal distinct else end except exists filter from ' +
    'having ilike in intersect is like limit not numeric offset on or over partition precision row select similar some ' +
    'then timestamp time to union using varchar varying when where within interval float bit'
  ).split(' '),
);

/** Functions of PostgreSQL that read nothing but their arguments. */
export const PURE_FUNCTIONS = new Set(
  (
    'abs age array_agg array_append array_cat array_length array_position array_prepend array_remove array_replace ' +
    'array_to_json array_to_string array_upper array_lower ascii atan avg bit_and bit_or bool_and bool_or btrim ' +
    'cardinality cbrt ceil ceiling char_length character_length chr clock_timestamp coalesce concat concat_ws convert_from ' +
    'corr cos count cume_dist date_bin date_part date_trunc decode degrees dense_rank div encode every exp extract ' +
    'first_value floor format gen_random_uuid greatest initcap isfinite json_agg json_array_elements ' +
    'json_array_elements_text json_array_length json_build_array json_build_object json_each json_each_text ' +
    'json_extract_path json_extract_path_text json_object json_object_agg json_object_keys json_strip_nulls json_typeof ' +
    'jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length jsonb_build_array jsonb_build_object ' +
    'jsonb_each jsonb_each_text jsonb_exists jsonb_extract_path jsonb_extract_path_text jsonb_object jsonb_object_agg ' +
    'jsonb_object_keys jsonb_path_exists jsonb_path_query jsonb_path_query_array jsonb_path_query_first jsonb_set ' +
    'jsonb_strip_nulls jsonb_typeof justify_days justify_hours justify_interval lag last_value lead least left length ' +
    'ln localtime localtimestamp log lower lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz ' +
    'max md5 min mod mode now nth_value ntile nullif octet_length overlaps overlay percent_rank percentile_cont ' +
    'percentile_disc pi plainto_tsquery phraseto_tsquery position power quote_ident quote_literal radians random rank ' +
    'regexp_count regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_substr repeat replace reverse ' +
    'right round row_number row_to_json rpad rtrim scale setweight sha256 sha512 sign similarity sin split_part sqrt ' +
    'starts_with statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array strpos substr substring ' +
    'sum tan timeofday to_char to_date to_hex to_json to_jsonb to_number to_timestamp to_tsquery to_tsvector ' +
    'transaction_timestamp translate trim trim_array trunc ts_headline ts_rank ts_rank_cd unaccent unnest upper ' +
    'var_pop var_samp variance websearch_to_tsquery width_bucket word_similarity'
  ).split(' '),
);
