#include "tests/support/tar_reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <locale.h>

#include <memory>

namespace volstream {
namespace {

struct FreeRead {
  void operator()(archive* a) const { archive_read_free(a); }
};
using Reader = std::unique_ptr<archive, FreeRead>;

// libarchive needs a locale that has all letters of UTF-8 names.
class Utf8Locale {
 public:
  Utf8Locale()
      : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)), previous_(uselocale(locale_)) {}
  ~Utf8Locale() {
    uselocale(previous_);
    freelocale(locale_);
  }

 private:
  const locale_t locale_;
  const locale_t previous_;
};

std::string Text(const char* text) { return text == nullptr ? "" : text; }

char TypeOf(archive_entry* entry) {
  if (archive_entry_hardlink(entry) != nullptr) return 'h';
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      return '-';
    case AE_IFDIR:
      return 'd';
    case AE_IFLNK:
      return 'l';
    case AE_IFCHR:
      return 'c';
    case AE_IFBLK:
      return 'b';
    case AE_IFIFO:
      return 'p';
    default:
      return '?';
  }
}

TarItem ItemOf(archive_entry* entry) {
  TarItem item;
  item.path = Text(archive_entry_pathname(entry));
  item.type = TypeOf(entry);
  item.link_target =
      Text(item.type == 'h' ? archive_entry_hardlink(entry) : archive_entry_symlink(entry));
  item.mode = archive_entry_perm(entry);
  item.uid = archive_entry_uid(entry);
  item.gid = archive_entry_gid(entry);
  item.user_name = Text(archive_entry_uname(entry));
  item.group_name = Text(archive_entry_gname(entry));
  item.bytes = archive_entry_size(entry);
  item.mtime_seconds = archive_entry_mtime(entry);
  item.mtime_nanoseconds = archive_entry_mtime_nsec(entry);
  item.device_major = static_cast<unsigned>(archive_entry_rdevmajor(entry));
  item.device_minor = static_cast<unsigned>(archive_entry_rdevminor(entry));
  return item;
}

Reader OpenTar(std::string_view tar) {
  Reader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  EXPECT_EQ(archive_read_open_memory(reader.get(), tar.data(), tar.size()), ARCHIVE_OK)
      << archive_error_string(reader.get());
  return reader;
}

std::string DataOf(archive* reader) {
  std::string data;
  std::string chunk(size_t{1} << 16, '\0');
  while (true) {
    const la_ssize_t count = archive_read_data(reader, chunk.data(), chunk.size());
    EXPECT_GE(count, 0) << archive_error_string(reader);
    if (count <= 0) return data;
    data.append(chunk, 0, static_cast<size_t>(count));
  }
}

}  // namespace

TarItem ReadTarHeader(std::string_view tar) {
  const Utf8Locale locale;
  const Reader reader = OpenTar(tar);
  archive_entry* entry = nullptr;
  // A name that is not UTF-8 in a pax record is worth a warning to libarchive.
  if (archive_read_next_header(reader.get(), &entry) < ARCHIVE_WARN) {
    ADD_FAILURE() << Text(archive_error_string(reader.get()));
    return TarItem();
  }
  return ItemOf(entry);
}

std::vector<TarItem> ReadTar(std::string_view tar) {
  const Utf8Locale locale;
  std::vector<TarItem> items;
  const Reader reader = OpenTar(tar);
  archive_entry* entry = nullptr;
  while (true) {
    const int result = archive_read_next_header(reader.get(), &entry);
    if (result == ARCHIVE_EOF) return items;
    if (result < ARCHIVE_WARN) {
      ADD_FAILURE() << Text(archive_error_string(reader.get())) << " after " << items.size()
                    << " entries";
      return items;
    }
    items.push_back(ItemOf(entry));
    std::string& data = items.back().data;
    data = DataOf(reader.get());
    // archive_read_data fills holes with zeros, but for one at the end.
    const size_t bytes = static_cast<size_t>(items.back().bytes);
    if (data.size() < bytes) data.resize(bytes);
  }
}

std::string Gunzip(std::string_view gzip) {
  const Reader reader(archive_read_new());
  archive_read_support_filter_gzip(reader.get());
  archive_read_support_format_raw(reader.get());
  archive_read_support_format_empty(reader.get());
  archive_entry* entry = nullptr;
  if (archive_read_open_memory(reader.get(), gzip.data(), gzip.size()) != ARCHIVE_OK) {
    ADD_FAILURE() << Text(archive_error_string(reader.get()));
    return "";
  }
  const int result = archive_read_next_header(reader.get(), &entry);
  if (result == ARCHIVE_EOF) return "";
  EXPECT_EQ(result, ARCHIVE_OK) << Text(archive_error_string(reader.get()));
  EXPECT_EQ(archive_filter_code(reader.get(), 0), ARCHIVE_FILTER_GZIP);
  return DataOf(reader.get());
}

}  // namespace volstream
