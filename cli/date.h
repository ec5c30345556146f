/* How `terrarium verify` moves the date that its runs read of the machine. */
#ifndef CLI_DATE_H
#define CLI_DATE_H

#define DATE_VARIABLE "TERRARIUM_VERIFY_DATE" /* seconds, in the environment of terrarium itself: no guest sees that */

#endif
