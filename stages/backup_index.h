// The index of a backup: who tells an IndexWriter of the entries, for each kind of source.
#ifndef VOLSTREAM_STAGES_BACKUP_INDEX_H_
#define VOLSTREAM_STAGES_BACKUP_INDEX_H_

#include <memory>

#include "stages/archive_format.h"
#include "stages/byte_stream.h"
#include "stages/index_writer.h"
#include "stages/tar_source.h"
#include "stages/volume_plan.h"

namespace volstream {

// Of a planned volume: the plan is asked once its stream has ended, and the source for what was
// left out. Both must outlive the writer.
std::unique_ptr<IndexWriter> NewIndexWriter(const VolumePlan* plan, const TarSource* source,
                                            ArchiveFormat format);

// Of a stream: hears of a tar's entries as they pass; any other stream has none. The writer must
// outlive the reading.
std::unique_ptr<IndexWriter> NewIndexWriter(ByteStream* stream, bool is_tar, ArchiveFormat format);

}  // namespace volstream

#endif  // VOLSTREAM_STAGES_BACKUP_INDEX_H_
