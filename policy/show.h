/* How `policy show` writes a value, for the files that show a section of their own. */
#ifndef POLICY_SHOW_H
#define POLICY_SHOW_H

#include "policy/policy.h"

#include <stdio.h>

void show_quoted(FILE *f, const char *text, size_t size); /* YAML's double-quoted form */
void show_text(FILE *f, const char *text);
void show_origin(FILE *f, struct policy_origin o); /* "  # policy.yaml:12", and the end of the line */
bool show_is_text(const char *bytes, size_t size); /* what a quoted text can hold; else show_base64 */
void show_base64(FILE *f, const char *bytes, size_t size);
void show_network(FILE *f, const struct policy *p); /* policy/network_show.c */

#endif
