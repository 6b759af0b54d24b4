/* service/embedded.h - files that are built into the program. NUL-terminated. */
#ifndef DW_SERVICE_EMBEDDED_H
#define DW_SERVICE_EMBEDDED_H

extern const char dw_embedded_schema[];  /* schema.sql */
extern const char dw_embedded_openapi[]; /* docs/service/openapi.json */

#endif
