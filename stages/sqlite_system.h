// What every VFS of volstream takes from SQLite's own for Unix. Functions without state.
#ifndef VOLSTREAM_STAGES_SQLITE_SYSTEM_H_
#define VOLSTREAM_STAGES_SQLITE_SYSTEM_H_

#include <sqlite3.h>

namespace volstream {

// SQLite's own.
sqlite3_vfs* SystemSqliteVfs();

// Sets the version and the calls that have nothing to do with files: randomness, sleep, time.
void SetSystemCalls(sqlite3_vfs* vfs);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_SQLITE_SYSTEM_H_
