#include "tools/source_flags.h"

#include "engine/status_macros.h"
#include "tools/commands.h"

namespace volstream {

void SourceFlags::AddTo(CLI::App* app) {
  const std::string group = "Source";
  const size_t before = app->get_options().size();
  app->add_option(
         "--exclude", excludes_,
         "Leave out what matches: NAME at any depth, or /PATH from the source's root; *, ? "
         "and [a-z] within a component, ** across; may be repeated")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  app->add_option("--exclude-from", exclude_files_,
                  "Read such patterns from a file, one a line, # for comments; may be repeated")
      ->take_all()
      ->allow_extra_args(false)
      ->group(group);
  app->add_flag("--exclude-caches", exclude_caches_,
                "Leave out the contents of directories that a CACHEDIR.TAG marks as caches")
      ->group(group);
  app->add_flag("-x,--one-file-system", one_file_system_,
                "Stay on the source's file system: mount points become empty directories")
      ->group(group);
  app->add_flag("--no-sparse", no_sparse_,
                "Store holes as zeros, for readers that know no sparse files (busybox)")
      ->group(group);
  app->add_option("--sqlite", sqlite_,
                  "SQLite databases: backup (a consistent snapshot, while the application goes on) "
                  "or copy (the files as they lie there) (backup)")
      ->check(CLI::IsMember({"backup", "copy"}))
      ->group(group);
  app->add_option("--spool-dir", spool_.directory,
                  "Directory, not in the source, for snapshots beyond --spool-memory; they have no "
                  "name there")
      ->group(group);
  TakesSize(app->add_option("--spool-memory", spool_.memory_bytes,
                            "Memory for snapshots, beside --memory (64MiB)"))
      ->group(group);
  TakesSize(app->add_option("--spool-size", spool_.disk_bytes,
                            "Most that --spool-dir may take (4GiB); a database beyond it is copied "
                            "as it is, with a warning"))
      ->group(group);
  const std::vector<CLI::Option*> all = app->get_options();
  options_.assign(all.begin() + static_cast<ptrdiff_t>(before), all.end());
}

std::string SourceFlags::Given() const {
  for (const CLI::Option* option : options_) {
    if (option->count() > 0) return option->get_name();
  }
  return "";
}

absl::StatusOr<PlanOptions> SourceFlags::Plan() const {
  PlanOptions plan;
  for (const std::string& pattern : excludes_) {
    VS_RETURN_IF_ERROR(plan.scan.excludes.Add(pattern));
  }
  for (const std::string& path : exclude_files_) {
    VS_RETURN_IF_ERROR(plan.scan.excludes.AddFile(path));
  }
  plan.scan.exclude_caches = exclude_caches_;
  plan.scan.one_file_system = one_file_system_;
  plan.sparse = !no_sparse_;
  plan.sqlite = sqlite_ == "copy" ? SqliteMode::kCopy : SqliteMode::kBackup;
  plan.spool = spool_;
  return plan;
}

}  // namespace volstream
