/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The table of groups.h as rows, for user space: by code, by name, by class.
 * Included by groups.h alone.
 */
#ifndef KEYSWITCH_GROUPS_ROWS_H
#define KEYSWITCH_GROUPS_ROWS_H

/* ---- tables and look-ups for user space ---- */

struct ks_modbus_row {
	__u32 code;
	__u32 sub;		/* KS_ANY: the code as a whole */
	const char *name;
	enum ks_group group;
};

struct ks_cip_row {
	__u32 service;
	__u32 class;		/* KS_ANY: every class that has no row of its own */
	const char *name;
	enum ks_group group;
};

struct ks_class_row {
	__u32 class;		/* wire class or KS_CLASS_* */
	const char *name;
	enum ks_group sets;
	enum ks_group rest;
};

static inline const struct ks_modbus_row *ks_modbus_rows(unsigned int *n)
{
#define KS_ROW(fc, sub, name, group) { fc, sub, name, KS_G_##group },
	static const struct ks_modbus_row rows[] = { KS_MODBUS_LIST(KS_ROW) };
#undef KS_ROW

	*n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

static inline const struct ks_cip_row *ks_cip_rows(unsigned int *n)
{
#define KS_ROW(service, class, name, group) { service, class, name, KS_G_##group },
	static const struct ks_cip_row rows[] = { KS_CIP_LIST(KS_ROW) };
#undef KS_ROW

	*n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

/* Every class that is not treated like an unknown one, pseudo classes included. */
static inline const struct ks_class_row *ks_class_rows(unsigned int *n)
{
#define KS_ROW(class, name, sets, rest) { class, name, KS_G_##sets, KS_G_##rest },
	static const struct ks_class_row rows[] = { KS_CIP_CLASS_LIST(KS_ROW) };
#undef KS_ROW

	*n = sizeof(rows) / sizeof(rows[0]);
	return rows;
}

static inline const char *ks_group_name(unsigned int group)
{
#define KS_ROW(sym, text) #sym,
	static const char *const names[] = { KS_GROUP_LIST(KS_ROW) };
#undef KS_ROW

	return group < KS_GROUPS ? names[group] : "?";
}

static inline const char *ks_group_text(unsigned int group)
{
#define KS_ROW(sym, text) text,
	static const char *const texts[] = { KS_GROUP_LIST(KS_ROW) };
#undef KS_ROW

	return group < KS_GROUPS ? texts[group] : "?";
}

#define KS_PAIR(hi, lo) ((__u64)(hi) << 32 | (__u32)(lo))

/* sub: KS_ANY for functions that have none. */
static inline enum ks_group ks_modbus_group(__u32 fc, __u32 sub)
{
#define KS_ROW(fc, sub, name, group) case KS_PAIR(fc, sub): return KS_G_##group;
	switch (KS_PAIR(fc, sub)) {
	KS_MODBUS_LIST(KS_ROW)
	}
#undef KS_ROW
	return sub == KS_ANY ? KS_G_other : ks_modbus_group(fc, KS_ANY);
}

/* The list's own row for (service, class), KS_GROUPS if it has none. */
static inline enum ks_group ks_cip_listed(__u32 service, __u32 class)
{
#define KS_ROW(service, class, name, group) case KS_PAIR(service, class): return KS_G_##group;
	switch (KS_PAIR(service, class)) {
	KS_CIP_LIST(KS_ROW)
	}
#undef KS_ROW
	return KS_GROUPS;
}

/* What the class says about services that the list leaves to it; other = nothing. */
static inline enum ks_group ks_cip_class_group(__u32 service, __u32 class)
{
	int set = 0;

#define KS_ROW(service) case service:
	switch (service) {
	KS_CIP_SETS(KS_ROW)
		set = 1;
	}
#undef KS_ROW
#define KS_ROW(class, name, sets, rest) case class: return set ? KS_G_##sets : KS_G_##rest;
	switch (class) {
	KS_CIP_CLASS_LIST(KS_ROW)
	}
#undef KS_ROW
	return KS_G_other;
}

/*
 * key_class: leaf.key_class, or KS_ANY for a class that has no row. The exact pair
 * first, then reads, control and sessions that are the same everywhere, then the
 * class, then the service alone. Pseudo classes other than tags have no common
 * services, and what reaches no class (KS_CLASS_NONE) cannot be told at all.
 */
static inline enum ks_group ks_cip_group(__u32 service, __u32 key_class)
{
	enum ks_group exact = ks_cip_listed(service, key_class);
	enum ks_group common = ks_cip_listed(service, KS_ANY);
	enum ks_group class = ks_cip_class_group(service, key_class);

	if (ks_is_pccc(key_class))
		return ks_pccc_group(ks_pccc_code(service, key_class));
	if (exact != KS_GROUPS)
		return exact;
	if (key_class > KS_CLASS_TAG && key_class != KS_ANY)
		return class;
	if (common == KS_G_read || common == KS_G_control || common == KS_G_session)
		return common;
	if (class != KS_G_other)
		return class;
	return common != KS_GROUPS ? common : KS_G_other;
}

#endif
