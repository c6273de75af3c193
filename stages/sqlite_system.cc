#include "stages/sqlite_system.h"

namespace volstream {
namespace {

int Randomness(sqlite3_vfs*, int bytes, char* out) {
  return SystemSqliteVfs()->xRandomness(SystemSqliteVfs(), bytes, out);
}
int Sleep(sqlite3_vfs*, int microseconds) {
  return SystemSqliteVfs()->xSleep(SystemSqliteVfs(), microseconds);
}
int CurrentTime(sqlite3_vfs*, double* out) {
  return SystemSqliteVfs()->xCurrentTime(SystemSqliteVfs(), out);
}

}  // namespace

sqlite3_vfs* SystemSqliteVfs() { return sqlite3_vfs_find("unix"); }

void SetSystemCalls(sqlite3_vfs* vfs) {
  vfs->iVersion = 1;
  vfs->xRandomness = Randomness;
  vfs->xSleep = Sleep;
  vfs->xCurrentTime = CurrentTime;
}

}  // namespace volstream
