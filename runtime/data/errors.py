"""The errors that data given by a user can cause; all of them are `DataError`."""


class DataError(ValueError):
    """Data that a user gave, or that this machine lacks, cannot be used; the message says what, where and the mend."""


class CorpusError(DataError):
    """The embedded corpus cannot be built on this machine."""


class TokenizerError(DataError):
    """A tokenizer model cannot be read or trained."""


class ByteAccountingError(DataError):
    """The byte table's count of a document differs from the document's UTF-8 length."""


class ShardError(DataError):
    """A token shard is damaged, is of another format, or is missing."""


class BatchError(DataError):
    """Batches cannot be cut from the tokens, or a saved position does not belong to them."""


class FetchError(DataError):
    """A file of a data set cannot be fetched, or is not what it should be."""


class PackError(DataError):
    """Text cannot be packed into shards, or the place for them is taken."""
