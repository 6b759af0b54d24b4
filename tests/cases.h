/* tests/cases.h - the cases of a program that mostly waits, some at a time.
 *
 * Each case is a process of its own, so none sees what another left behind; what it says is printed
 * when it is over. Only for cases that share no folder, port or process with each other.
 */
#ifndef DW_TESTS_CASES_H
#define DW_TESTS_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The cases whose name is `only` (NULL: all). Returns how many failed; a case that ends its process
 * has failed. */
int dw_cases_run(const struct CMUnitTest *cases, size_t count, const char *only);

#endif
